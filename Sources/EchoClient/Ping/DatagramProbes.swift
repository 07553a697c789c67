import EchoSockets

/// The probes of a UDP socket by their number: those that wait for their echo, and for some time
/// those that do not any more, as their echo may come late, or again.
struct DatagramProbes {
    /// How a probe stands.
    enum State {
        /// Its echo has not come.
        case waiting
        /// Its time is over, or it was refused.
        case lost
        /// Its echo has come, or other bytes in its place.
        case answered
    }

    // How long after it was due a probe is known at least, if there are not too many.
    private static let memory = Duration.seconds(60)

    private var entries: [(probe: PendingProbe, state: State)] = []
    private var head = 0
    // The number of the first entry from `head`.
    private var first = 0
    // Those before it do not wait.
    private var expired = 0
    private let limit: Int

    /// How many wait.
    private(set) var waitingCount = 0

    /// No probes.
    ///
    /// - Parameter limit: the most that are known at a time.
    init(limit: Int) {
        self.limit = limit
    }

    /// The number of the next probe.
    var next: Int { first + entries.count - head }

    private func place(of number: Int) -> Int { head + number - first }

    /// When the next one is lost, at the earliest.
    var deadline: MonotonicTime? {
        expired < next ? entries[place(of: expired)].probe.deadline : nil
    }

    /// The number of a probe of which a datagram holds some bits; `nil` if it is not known.
    func number(ending bits: UInt64, mask: UInt64) -> Int? {
        let distance = (bits &- UInt64(truncatingIfNeeded: first)) & mask
        return distance < UInt64(next - first) ? first + Int(distance) : nil
    }

    /// The only one that waits; `nil` if others do as well.
    var onlyWaiting: Int? {
        waitingCount == 1 ? (expired..<next).first { state(of: $0) == .waiting } : nil
    }

    /// The one of those that wait that was sent last.
    var lastWaiting: Int? {
        waitingCount > 0 ? (expired..<next).last { state(of: $0) == .waiting } : nil
    }

    /// How a probe stands.
    func state(of number: Int) -> State { entries[place(of: number)].state }

    /// A probe.
    subscript(number: Int) -> PendingProbe { entries[place(of: number)].probe }

    /// Forgets what is known for long enough, or else the oldest if there is no room.
    ///
    /// - Returns: a probe that has to be forgotten though it waits.
    mutating func makeRoom(at now: MonotonicTime) -> PendingProbe? {
        while first < next, state(of: first) != .waiting, self[first].due + Self.memory < now {
            dropFirst()
        }
        guard next - first >= limit else { return nil }
        let oldest = state(of: first) == .waiting ? self[first] : nil
        if oldest != nil { settle(first, .lost) }
        dropFirst()
        return oldest
    }

    private mutating func dropFirst() {
        head += 1
        first += 1
        expired = max(expired, first)
        guard head > 64, head * 2 > entries.count else { return }
        entries.removeFirst(head)
        head = 0
    }

    /// Adds one that was sent, with the number ``next``.
    mutating func append(_ probe: PendingProbe) {
        entries.append((probe, .waiting))
        waitingCount += 1
    }

    /// Notes that a probe does not wait any more, or was answered after it was lost.
    mutating func settle(_ number: Int, _ state: State) {
        let place = place(of: number)
        if entries[place].state == .waiting { waitingCount -= 1 }
        entries[place].state = state
        while expired < next, self.state(of: expired) != .waiting { expired += 1 }
    }

    /// Takes note that a probe is lost by now, if one is.
    ///
    /// - Returns: the probe.
    mutating func popLost(by now: MonotonicTime) -> PendingProbe? {
        guard let deadline, deadline <= now else { return nil }
        let probe = self[expired]
        settle(expired, .lost)
        return probe
    }

    /// Takes note that all that wait are lost.
    ///
    /// - Returns: these probes.
    mutating func popAll() -> [PendingProbe] {
        var probes: [PendingProbe] = []
        while expired < next {
            probes.append(self[expired])
            settle(expired, .lost)
        }
        return probes
    }
}
