import EchoSockets

/// The numbers the echo rules work with; the same for every connection of a server.
struct EchoRules: Sendable {
    /// Pending bytes above which a connection is not read (high-water mark); below half of it, it
    /// is read again.
    var pendingLimit = 64 * 1024
    /// Time without progress in either direction after which a connection is closed.
    var idleTimeout: Duration?
    /// While draining: time without input after which a connection counts as quiet.
    var quietPeriod = Duration.milliseconds(200)
    /// After our end of stream: time the peer has to send its own.
    var lingerTimeout = Duration.seconds(1)
}

/// The steps of a shutdown and their times.
struct DrainPlan: Hashable, Sendable {
    /// How long it lasts at most.
    let timeout: Duration
    /// From here on nothing more is read; pending bytes are delivered and the stream ended.
    let finishAt: MonotonicTime
    /// From here on connections are closed as they are.
    let deadline: MonotonicTime

    /// Close everything now.
    static let immediate = DrainPlan(timeout: .zero, from: MonotonicTime(nanoseconds: 0))

    /// A plan that starts now.
    ///
    /// The last quarter of the timeout, a second at most, is kept for finishing, so that a peer
    /// that never stops sending still gets back what was received.
    init(timeout: Duration, from start: MonotonicTime = .now) {
        self.timeout = timeout
        let reserve = min(timeout / 4, .seconds(1))
        deadline = start + timeout
        finishAt = start + (timeout - reserve)
    }
}
