import EchoSockets
package import EchoWinsock

extension EventLoop {
    /// Waits for the events of a set and runs the loop meanwhile.
    ///
    /// The corresponding function is `WSAWaitForMultipleEvents`.
    ///
    /// The lowest signalled index wins, every time (ES-9): check the later ones before waiting
    /// again. An event that is already signalled satisfies the wait at once, and what is queued to
    /// the thread stays queued (CR-4); otherwise an alertable wait that has run something reports
    /// that, even if it has signalled an event (CR-3). Even with a timeout of zero the kernel is
    /// asked once: one `epoll_wait`, none if an event is already signalled.
    ///
    /// - Parameters:
    ///   - events: what to wait for, of this thread.
    ///   - timeout: the longest wait; `nil` means for ever (`WSA_INFINITE`).
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
