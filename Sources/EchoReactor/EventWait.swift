import EchoSockets
package import EchoWinsock

extension EventLoop {
    /// Waits for the events of a set and runs the loop meanwhile.
    ///
    /// The corresponding function is `WSAWaitForMultipleEvents`.
    ///
    /// The lowest signalled index wins, every time (ES-9): look at the later ones before waiting
    /// again. An event that is signalled already satisfies the wait at once, and what is queued to
    /// the thread stays so (CR-4); otherwise an alertable wait that has run something says so, even
    /// if that has signalled an event (CR-3). What the kernel has not told yet is asked once even if
    /// the timeout is zero: one `epoll_wait`, none if an event is signalled already.
    ///
    /// - Parameters:
    ///   - events: what to wait for, of this thread.
    ///   - timeout: the longest wait; `nil` for ever (`WSA_INFINITE`).
    ///   - alertable: whether to run ``onWake`` when it is due, and to return then.
    /// - Returns: how it ended.
    package func wait(
        for events: EventSet,
        timeout: Duration? = nil,
        alertable: Bool = false
    ) -> WaitResult {
        guard !events.isEmpty else { return .noEvents }
        if let index = events.firstSignalled() { return .signalled(index) }
        let deadline = timeout.map { MonotonicTime.now + $0 }
        while true {
            let remaining = deadline.map { max($0 - MonotonicTime.now, .zero) }
            if turn(waitingAtMost: remaining, alertable: alertable) { return .routinesRan }
            if let index = events.firstSignalled() { return .signalled(index) }
            if remaining == .zero { return .timedOut }
        }
    }
}
