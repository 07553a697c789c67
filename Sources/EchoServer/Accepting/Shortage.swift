import EchoSockets

/// Episodes of failing to accept for lack of descriptors, memory or threads.
///
/// An episode ends when the queue was found empty, not at the first success: otherwise each
/// connection that ends would end one episode and begin another. Nor may a peer fill the log by
/// coming and going while next to nothing is left: an episode that follows a logged one within
/// ``quietPeriod`` is logged only if it lasts.
struct Shortage {
    private var since: MonotonicTime?
    private var attempts = 0
    private var failures = 0
    private var isLogged = false
    private var lastLogged: MonotonicTime?

    /// How long after a logged line no further episode is logged.
    static let quietPeriod = Duration.seconds(5)

    /// Whether an episode is in progress.
    var isOngoing: Bool { since != nil }

    /// Accepting failed.
    ///
    /// - Returns: whether to log it.
    mutating func failed(at now: MonotonicTime) -> Bool {
        attempts += 1
        failures += 1
        if since == nil { since = now }
        if isLogged { return false }
        if let lastLogged, now - lastLogged < Self.quietPeriod { return false }
        isLogged = true
        lastLogged = now
        return true
    }

    /// How long to wait before the next attempt: doubles from 50 ms to a second.
    var pause: Duration { .milliseconds(min(1000, 50 << min(attempts - 1, 5))) }

    /// The queue was found empty.
    ///
    /// - Returns: what to log, if the beginning of the episode was logged as well: its duration,
    ///   and how often accepting has failed since the last logged one.
    mutating func end(at now: MonotonicTime) -> (span: Duration, failures: Int)? {
        guard let start = since else { return nil }
        since = nil
        attempts = 0
        guard isLogged else { return nil }
        isLogged = false
        lastLogged = now
        defer { failures = 0 }
        return (now - start, failures)
    }
}
