import EchoSockets

/// Decides which connections are served, and counts them.
///
/// Any thread.
///
/// Runs the accept condition before a connection is served, as `WSAAccept` runs its condition
/// function (SEL-9..11).
final class Admission: Sendable {
    /// A connection that has ended.
    struct Departure {
        let peer: Peer
        let cause: EchoServer.CloseReason
    }

    /// The decision about a connection that could be accepted.
    enum Verdict: Equatable, Sendable {
        /// Serve it; it counts until ``leave(_:cause:)``.
        case accept
        /// Reset it.
        case reject(EchoServer.RejectionReason)
        /// Keep it first in line and ask again later.
        case `defer`
    }

    private struct State {
        var active = 0
        var perPeer: [PeerGroup: Int] = [:]
        var statistics = EchoServer.Statistics()
        var waiting: [RetrySignal] = []
        var departures: UInt64 = 0
        var signal: ActivitySignal?
        var changes: UInt64 = 0
        var observers: [@Sendable () -> Void] = []
    }

    private let maximum: Int
    private let maximumPerPeer: Int
    private let whenFull: EchoServer.Configuration.FullPolicy
    private let condition:
        (@Sendable (EchoServer.AdmissionRequest) -> EchoServer.AdmissionDecision)?
    private let state = Locked(State())

    /// The rules of admission of a configuration.
    init(_ configuration: EchoServer.Configuration) {
        maximum = configuration.maximumConnections ?? .max
        maximumPerPeer = configuration.maximumConnectionsPerPeer ?? .max
        whenFull = configuration.whenFull
        condition = configuration.admission
    }

    /// Whether connections are counted per peer, because a setting needs it.
    var tracksPeers: Bool { maximumPerPeer != .max || condition != nil }

    /// Whether to leave connections queued in the kernel for now, because the server is full and
    /// defers.
    ///
    /// - Parameter retry: sent once when a connection has ended, if the result is `true`.
    /// - Returns: whether it is full.
    func isFull(notifying retry: RetrySignal) -> Bool {
        guard whenFull == .defer, maximum != .max else { return false }
        return state.withLock { state in
            guard state.active >= maximum else { return false }
            Self.register(retry, &state)
            return true
        }
    }

    /// How many connections have ended; for ``notifyWhenOneEnds(_:since:)``.
    var departures: UInt64 { state.withLock { $0.departures } }

    /// Requests a signal when a connection ends: a place, or descriptors, may then be free.
    ///
    /// - Parameters:
    ///   - retry: the signal, sent once.
    ///   - departures: how many had ended when the caller decided to wait.
    /// - Returns: whether one has ended since, so that there is no need to wait.
    @discardableResult
    func notifyWhenOneEnds(_ retry: RetrySignal, since departures: UInt64 = .max) -> Bool {
        state.withLock { state in
            Self.register(retry, &state)
            return state.departures > departures
        }
    }

    private static func register(_ retry: RetrySignal, _ state: inout State) {
        if !state.waiting.contains(where: { $0 === retry }) { state.waiting.append(retry) }
    }

    /// How often a connection has been accepted, turned away or ended; for
    /// ``onChange(from:_:)``.
    var changes: UInt64 { state.withLock { $0.changes } }

    /// Calls a body when ``changes`` differs from a value; at once if it already does.
    ///
    /// - Parameters:
    ///   - changes: the value.
    ///   - body: called once, on the thread of the change.
    func onChange(from changes: UInt64, _ body: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            if state.changes == changes { state.observers.append(body) }
            return state.changes != changes
        }
        if isLate { body() }
    }

    private func change<Result>(_ body: (inout State) -> Result) -> Result {
        let changed = state.withLock { Self.change(&$0, body) }
        return Self.tell(changed)
    }

    private func changeIfFree<Result>(_ body: (inout State) -> Result) -> Result? {
        let changed = state.withLockIfAvailable { Self.change(&$0, body) }
        return changed.map { Self.tell($0) }
    }

    private typealias Observers = [@Sendable () -> Void]

    private static func change<Result>(
        _ state: inout State,
        _ body: (inout State) -> Result
    ) -> (HandedOver<Result>, Observers) {
        let result = HandedOver(body(&state))
        state.changes += 1
        defer { state.observers = [] }
        return (result, state.observers)
    }

    // Not under the lock: observers may read the counts.
    private static func tell<Result>(_ changed: (HandedOver<Result>, Observers)) -> Result {
        for observer in changed.1 { observer() }
        return changed.0.value
    }

    /// Decides about one connection, and counts the decision.
    ///
    /// - Parameters:
    ///   - peer: the peer.
    ///   - local: the address it connected to.
    ///   - unservable: whether the model cannot serve this very socket.
    ///   - again: whether it was deferred before.
    /// - Returns: the decision.
    func decide(
        _ peer: Peer,
        local: SocketAddress,
        unservable: Bool = false,
        again: Bool = false
    ) -> Verdict {
        let verdict = unservable ? .reject(.modelCapacity) : state.withLock { limit(peer, $0) }
        guard verdict == .accept, let condition else { return count(verdict, peer, again) }
        let (active, same) = state.withLock { ($0.active, $0.perPeer[peer.group] ?? 0) }
        let request = EchoServer.AdmissionRequest(
            peer: EchoServer.Endpoint(peer.address),
            local: EchoServer.Endpoint(local),
            activeConnections: active,
            activeConnectionsOfPeer: same
        )
        // Not under the lock: it is the user's code.
        switch condition(request) {
        case .accept: return count(.accept, peer, again)
        case .reject: return count(.reject(.condition), peer, again)
        case .defer: return count(.defer, peer, again)
        }
    }

    private func limit(_ peer: Peer, _ state: borrowing State) -> Verdict {
        if state.active >= maximum { return whenFull == .defer ? .defer : .reject(.full) }
        if maximumPerPeer != .max, state.perPeer[peer.group] ?? 0 >= maximumPerPeer {
            return .reject(.peerLimit)
        }
        return .accept
    }

    private func count(_ verdict: Verdict, _ peer: Peer, _ again: Bool) -> Verdict {
        change { state in
            switch verdict {
            case .accept:
                // Another acceptor may have taken the last place since.
                let verdict = limit(peer, state)
                guard verdict == .accept else { return Self.count(verdict, &state, again) }
                state.active += 1
                state.statistics.accepted += 1
                if tracksPeers { state.perPeer[peer.group, default: 0] += 1 }
                state.signal?.tell()
                return .accept
            default: return Self.count(verdict, &state, again)
            }
        }
    }

    private static func count(
        _ verdict: Verdict,
        _ state: inout State,
        _ again: Bool = false
    ) -> Verdict {
        switch verdict {
        case .accept: break
        case .reject(let reason): state.statistics.rejected[reason, default: 0] += 1
        case .defer: if !again { state.statistics.deferred += 1 }
        }
        state.signal?.tell()
        return verdict
    }

    /// Counts a rejection that was decided elsewhere, of a connection already admitted if
    /// `admitted` says so.
    func rejected(_ reason: EchoServer.RejectionReason, admitted peer: Peer? = nil) {
        let waiting = change { state in
            _ = Self.count(.reject(reason), &state)
            guard let peer else { return [RetrySignal]() }
            state.statistics.accepted -= 1
            return Self.leave(peer, &state)
        }
        for retry in waiting { retry.send() }
    }

    /// Takes back the admission of a connection that cannot be served for now; it will be decided
    /// again.
    ///
    /// Does not wake threads that wait for descriptors: none has become free.
    func revoke(_ peer: Peer) {
        let waiting = state.withLock { state in
            let wasFull = state.active == maximum
            let waiting = state.waiting
            _ = Self.leave(peer, &state)
            state.departures -= 1
            state.statistics.accepted -= 1
            if !wasFull { state.waiting = waiting }
            return wasFull ? waiting : []
        }
        for retry in waiting { retry.send() }
    }

    /// Counts an accept call that failed.
    func acceptFailed() {
        state.withLock { state in
            state.statistics.acceptFailures += 1
            state.signal?.tell()
        }
    }

    /// Counts a connection that has ended, and wakes threads that wait for a free place.
    func leave(_ peer: Peer, cause: EchoServer.CloseReason) {
        leave(CollectionOfOne(Departure(peer: peer, cause: cause)))
    }

    /// Counts connections that have ended, and wakes threads that wait for a free place.
    func leave(_ departures: some Collection<Departure>) {
        let waiting = change { Self.leave(departures, &$0) }
        for retry in waiting { retry.send() }
    }

    /// Counts connections that have ended, unless another thread is counting.
    ///
    /// - Returns: whether they were counted.
    func leaveIfFree(_ departures: some Collection<Departure>) -> Bool {
        guard let waiting = changeIfFree({ Self.leave(departures, &$0) }) else { return false }
        for retry in waiting { retry.send() }
        return true
    }

    private static func leave(
        _ departures: some Collection<Departure>,
        _ state: inout State
    ) -> [RetrySignal] {
        var waiting: [RetrySignal] = []
        for departure in departures {
            state.statistics.closed[departure.cause, default: 0] += 1
            waiting += leave(departure.peer, &state)
        }
        return waiting
    }

    private static func leave(_ peer: Peer, _ state: inout State) -> [RetrySignal] {
        state.active -= 1
        state.departures += 1
        state.signal?.tell()
        if let count = state.perPeer[peer.group] {
            state.perPeer[peer.group] = count > 1 ? count - 1 : nil
        }
        defer { state.waiting = [] }
        return state.waiting
    }

    /// Signals everything that is counted from now on.
    func notify(_ signal: ActivitySignal) {
        state.withLock { $0.signal = signal }
    }

    /// The current counts of connections.
    var statistics: EchoServer.Statistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.active = state.active
            return statistics
        }
    }
}
