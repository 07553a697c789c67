import EchoSockets

/// How a wait for events ended.
package enum WaitOutcome: Hashable, Sendable {
    /// The event at this index was signalled, and none before it; or, of a wait for all, all were
    /// (index 0).
    ///
    /// `WSA_WAIT_EVENT_0 + index`.
    case signalled(Int)
    /// The time has passed.
    ///
    /// `WSA_WAIT_TIMEOUT`.
    case timedOut
    /// An alertable wait has handled a wake.
    ///
    /// `WSA_WAIT_IO_COMPLETION`.
    case alerted
}

extension EventLoop {
    /// The most events one wait takes (N-2, `WSA_MAXIMUM_WAIT_EVENTS`).
    package static let maximumWaitEvents = 64

    /// Waits for events and runs the loop meanwhile.
    ///
    /// The corresponding function is `WSAWaitForMultipleEvents`.
    ///
    /// The lowest signalled index wins, every time (ES-9): look at the later ones with
    /// ``LoopEvent/isSignalled``, which costs no system call, before waiting again. What the kernel
    /// has not told yet is asked once even if the timeout is zero: one `epoll_wait`, none if an
    /// event is signalled already.
    ///
    /// - Parameters:
    ///   - events: 1 to 64; each only once if all are waited for.
    ///   - all: whether to wait until all are signalled at the same time (ES-10).
    ///   - timeout: the longest wait; `nil` for ever (`WSA_INFINITE`).
    ///   - alertable: whether to return after `onWake` has run.
    /// - Returns: why it ended; auto-reset events that ended it are reset.
    /// - Throws: `invalidEventCount` (ES-8), `duplicateEvent`, `eventClosed` (ES-11).
    package func wait(
        for events: [LoopEvent],
        all: Bool = false,
        timeout: Duration? = nil,
        alertable: Bool = false
    ) throws(ReactorError) -> WaitOutcome {
        try Self.check(events, all: all)
        if let index = try scan(events, all: all) { return .signalled(index) }
        let deadline = timeout.map { MonotonicTime.now + $0 }
        let wakes = wakeCount
        while true {
            let remaining = deadline.map { max($0 - MonotonicTime.now, .zero) }
            turn(waitingAtMost: remaining)
            if let index = try scan(events, all: all) { return .signalled(index) }
            if alertable && wakes != wakeCount { return .alerted }
            if remaining == .zero { return .timedOut }
        }
    }

    private static func check(_ events: [LoopEvent], all: Bool) throws(ReactorError) {
        guard !events.isEmpty, events.count <= maximumWaitEvents else {
            throw .invalidEventCount(events.count)
        }
        if all && Set(events.map(ObjectIdentifier.init)).count != events.count {
            throw .duplicateEvent
        }
    }

    // Attaches before it looks, so that a set that it does not see wakes the loop.
    private func scan(_ events: [LoopEvent], all: Bool) throws(ReactorError) -> Int? {
        if all { return try scanAll(events) }
        for index in events.indices {
            // Without counting references: this runs up to 64 times for each wait.
            let state = unsafe Unmanaged.passUnretained(events[index])._withUnsafeGuaranteedRef {
                $0.offer(to: waker)
            }
            if state == .closed { throw .eventClosed }
            if state == .signalled && events[index].take() { return index }
        }
        return nil
    }

    private func scanAll(_ events: [LoopEvent]) throws(ReactorError) -> Int? {
        var signalled = 0
        for event in events {
            let state = event.offer(to: waker)
            if state == .closed { throw .eventClosed }
            if state == .signalled { signalled += 1 }
        }
        return signalled == events.count && LoopEvent.takeAll(events) ? 0 : nil
    }
}
