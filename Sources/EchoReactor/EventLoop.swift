import CLibevent
package import EchoSockets

/// A readiness loop over one libevent base.
///
/// Confined to one thread and not Sendable: the base has no locks (PF-22). Other threads hold its
/// ``waker``.
@safe
package final class EventLoop {
    let base: EventBase
    /// Lets other threads wake the loop.
    package let waker: LoopWaker
    /// What other threads have queued, to run on the loop's thread after one or more wakes.
    ///
    /// Runs only in a turn and in an alertable wait (CR-1). A strong reference to the loop in it
    /// would keep the loop for ever.
    package var onWake: (() -> Void)?
    /// Closes the connections of this loop that have ended: a few a turn, if they are many.
    package let closing = ClosingQueue()

    private var wakeWatch: Watch?
    private var timeoutWatch: Watch?
    // A wait that is not alertable leaves what is queued for the next alertable one.
    private var isAlertable = true
    private var isQueued = false
    private var hasRun = false
    private let mayPoll: Bool
    // Nothing that runs in a turn uses it: no run-time check.
    @exclusivity(unchecked) private var polling: BusyPolling
    // The error of the last turn's wait, if it failed.
    private(set) var failure: Errno?

    /// Buffers for what its sockets read ahead.
    let readAhead: ReadAheadPool
    /// Notifies sockets of changed addresses and routes.
    let addressChanges: AddressChangeMonitor
    // The members with news at the end of the turn. Nothing is called while one of these is used:
    // no run-time check.
    @exclusivity(unchecked) var firstFresh: Unmanaged<LoopMember>?
    @exclusivity(unchecked) var lastFresh: Unmanaged<LoopMember>?

    /// Opens a loop.
    ///
    /// The corresponding C function is `event_base_new_with_config`.
    ///
    /// - Parameters:
    ///   - method: how libevent asks the kernel.
    ///   - polling: whether it polls before it sleeps.
    /// - Throws: `ENOSYS` if libevent lacks the method; `EMFILE` when the method is `select` and
    ///   the process has so many descriptors that the loop's own would be beyond 1023 (PF-1); or
    ///   that descriptors or memory have run out.
    package init(
        method: LoopMethod = .automatic,
        polling: BusyPolling = .off
    ) throws(SystemError) {
        mayPoll = polling.isOn
        unsafe self.polling = polling
        waker = try LoopWaker()
        base = try EventBase(method)
        addressChanges = AddressChangeMonitor(base)
        readAhead = ReadAheadPool()
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        let wake = unsafe try Watch(
            base,
            descriptor: waker.number,
            .read,
            persistent: true,
            context: context,
            callback: woken
        )
        try wake.add()
        wakeWatch = consume wake
        timeoutWatch = unsafe try Watch(
            base,
            descriptor: -1,
            [],
            persistent: false,
            context: context,
            callback: timedOut
        )
    }

    deinit {
        // Before the base, the waker and its watched descriptor are destroyed (PF-9).
        timeoutWatch = nil
        wakeWatch = nil
        readAhead.destroy()
    }

    /// How libevent asks the kernel: `epoll`, `poll` or `select`.
    package var methodName: String { base.method }

    /// The libevent base (`struct event_base *`) of the loop, for other parts of libevent that run
    /// on one, such as its HTTP server.
    ///
    /// Valid as long as the loop; for the loop's thread only: it has no locks.
    package var basePointer: OpaquePointer { unsafe base.pointer }

    /// Waits until something is ready and runs the callbacks of all that is: one `epoll_wait`.
    ///
    /// The corresponding C function is `event_base_loop` with `EVLOOP_ONCE`.
    ///
    /// - Parameter duration: the longest wait; `.zero` only tests, `nil` waits until something
    ///   happens.
    package func turn(waitingAtMost duration: Duration?) {
        _ = turn(waitingAtMost: duration, alertable: true)
    }

    /// Runs a turn and, if it is alertable, what is queued.
    ///
    /// - Returns: whether something that was queued has run.
    func turn(waitingAtMost duration: Duration?, alertable: Bool) -> Bool {
        isAlertable = alertable
        hasRun = false
        failure = nil
        readAhead.beginTurn()
        let isBehind = closing.beginTurn()
        let runsQueued = alertable && isQueued
        pass(waitingAtMost: hasFresh || isBehind || runsQueued ? .zero : duration)
        if runsQueued { runQueued() }
        tellFresh()
        return hasRun
    }

    private func pass(waitingAtMost duration: Duration?) {
        if mayPoll { pollAndWait(atMost: duration) } else { wait(atMost: duration) }
    }

    // Apart, so that a loop that does not poll pays only for the question.
    @inline(never)
    private func pollAndWait(atMost duration: Duration?) {
        guard duration != .zero else { return wait(atMost: duration) }
        if unsafe polling.isHot, look() { return }
        var attempt = unsafe polling.begin(duration.map { .now + $0 })
        while attempt.polls {
            if look() { return unsafe polling.found(attempt) }
            attempt.noteTime()
        }
        wait(atMost: duration)
        unsafe polling.slept(attempt)
    }

    /// Runs the callbacks of all that is ready, without waiting.
    ///
    /// - Returns: whether there was anything.
    private func look() -> Bool {
        let active = EVENT_BASE_COUNT_ACTIVE
        _ = unsafe event_base_get_max_events(base.pointer, active, 1)
        dispatch(EVLOOP_ONCE | EVLOOP_NONBLOCK)
        let count = unsafe event_base_get_max_events(base.pointer, active, 0)
        return count > 0 || failure != nil
    }

    private func wait(atMost duration: Duration?) {
        guard let duration else { return dispatch(EVLOOP_ONCE) }
        guard duration > .zero, (try? timeoutWatch?.add(timeout: duration)) != nil else {
            // By itself EVLOOP_NONBLOCK continues for as long as anything is ready: it would never
            // return if a callback leaves its condition unchanged because the turn is over.
            return dispatch(EVLOOP_ONCE | EVLOOP_NONBLOCK)
        }
        dispatch(EVLOOP_ONCE)
        timeoutWatch?.remove()
    }

    private func dispatch(_ flags: CInt) {
        guard unsafe event_base_loop(base.pointer, flags) < 0 else { return }
        failure = .current
        pauseAfterFailedWait()
    }

    fileprivate func handleWake() {
        waker.clear()
        isQueued = true
        if isAlertable { runQueued() }
    }

    // Apart, so that only a turn that has something to run pays for the access check.
    @inline(never)
    private func runQueued() {
        guard isQueued else { return }
        isQueued = false
        hasRun = true
        onWake?()
    }
}

@available(*, unavailable)
extension EventLoop: Sendable {}

private func woken(_: CInt, _: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<EventLoop>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.handleWake() }
}

// Nothing to do: running it ended the wait.
private func timedOut(_: CInt, _: Int16, _: UnsafeMutableRawPointer?) {}
