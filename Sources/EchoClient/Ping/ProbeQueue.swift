import EchoSockets

/// A probe of an endpoint.
struct PendingProbe {
    /// Which one of the endpoint it is.
    let sequence: Int
    /// When it was due.
    let due: MonotonicTime
    /// When the timer woke the thread for it.
    let woken: MonotonicTime
    /// When it is lost.
    let deadline: MonotonicTime
    /// When it was sent, or would have been had the server read what came before.
    var sent: MonotonicTime?
    /// How long connecting took, if it opened the connection.
    var connect: Duration?
    /// Its end in the stream of the connection.
    var end = 0
}

/// The probes of a connection, in the order in which they are due, sent, lost and answered.
struct ProbeQueue {
    // From `head`: those sent and lost, up to `expired`; those sent, up to `waiting`; the rest.
    private var probes: [PendingProbe] = []
    private var head = 0
    private var expired = 0
    private var waiting = 0

    /// The probes that were sent and not answered, the lost ones included.
    var sentCount: Int { waiting - head }

    /// The first of these.
    var firstSent: PendingProbe? { head < waiting ? probes[head] : nil }

    /// The first that was not sent.
    var firstWaiting: PendingProbe? { waiting < probes.count ? probes[waiting] : nil }

    /// When the next one is lost.
    var deadline: MonotonicTime? { expired < probes.count ? probes[expired].deadline : nil }

    /// Adds one that was not sent.
    mutating func append(_ probe: PendingProbe) {
        probes.append(probe)
    }

    /// Notes how long the connection took that the first one has opened.
    mutating func note(connect: Duration) {
        if head < probes.count { probes[head].connect = connect }
    }

    /// Notes that the first one that was not sent is.
    mutating func noteSent(at moment: MonotonicTime, end: Int) {
        if probes[waiting].sent == nil { probes[waiting].sent = moment }
        probes[waiting].end = end
        waiting += 1
    }

    /// Takes the first that was sent.
    ///
    /// - Returns: the probe, and whether it was lost before.
    mutating func popSent() -> (probe: PendingProbe, wasLost: Bool)? {
        guard head < waiting else { return nil }
        let wasLost = head < expired
        head += 1
        expired = max(expired, head)
        defer { compact() }
        return (probes[head - 1], wasLost)
    }

    /// Takes a probe that is lost by now.
    ///
    /// If it was sent, its place in the stream remains.
    mutating func popLost(by now: MonotonicTime) -> PendingProbe? {
        guard expired < probes.count, probes[expired].deadline <= now else { return nil }
        guard expired == waiting else {
            expired += 1
            return probes[expired - 1]
        }
        return probes.remove(at: expired)
    }

    /// Takes all that are neither answered nor lost.
    mutating func popAll() -> [PendingProbe] {
        defer {
            probes = []
            (head, expired, waiting) = (0, 0, 0)
        }
        return Array(probes[expired...])
    }

    private mutating func compact() {
        guard head == probes.count || head > 64 && head * 2 > probes.count else { return }
        probes.removeFirst(head)
        expired -= head
        waiting -= head
        head = 0
    }
}
