import CLibevent
package import EchoSockets

/// A readiness loop over one libevent base.
///
/// Confined to one thread and not Sendable: the base has no locks. Other threads hold its ``waker``.
@safe
package final class EventLoop {
    let base: EventBase
    /// Lets other threads wake the loop.
    package let waker: LoopWaker
    /// Runs on the loop's thread after one or more wakes, when the wake itself has been taken.
    ///
    /// A strong reference to the loop in it would keep the loop for ever.
    package var onWake: (() -> Void)?

    let wakerIdentity: UInt
    private var wakeWatch: Watch?
    private var timeoutWatch: Watch?
    private var isStopping = false
    private var cachedNow: MonotonicTime?
    // How often a wake has been handled, for alertable waits.
    private(set) var wakeCount = 0

    /// The sockets whose handles this loop gives out.
    var sockets = SocketTable()
    /// Buffers for what they read ahead.
    let readAhead: ReadAheadPool
    /// Tells them of changed addresses and routes, while any waits for that.
    var addressChanges: AddressChangeMonitor?
    // Those that have something to tell at the end of the turn.
    var firstFresh: Unmanaged<SelectableSocket>?
    var lastFresh: Unmanaged<SelectableSocket>?

    /// Opens a loop.
    ///
    /// The corresponding C function is `event_base_new_with_config`.
    ///
    /// - Throws: `methodUnavailable`; `descriptorOutOfRange` when the method is `select` and the
    ///   process has so many descriptors that the loop's own would be beyond 1023 (PF-1); `system`
    ///   when descriptors or memory have run out.
    package init(method: Method = .automatic) throws(ReactorError) {
        do {
            waker = try LoopWaker()
        } catch {
            throw .system(error)
        }
        wakerIdentity = waker.identity
        base = try EventBase(method)
        readAhead = ReadAheadPool()
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        let wake = unsafe try Watch(
            self,
            descriptor: waker.number,
            .read,
            persistent: true,
            context: context,
            callback: woken
        )
        try wake.add()
        wakeWatch = consume wake
        timeoutWatch = unsafe try Watch(
            self,
            descriptor: -1,
            [],
            persistent: false,
            context: context,
            callback: timedOut
        )
    }

    deinit {
        waker.abandon()
        // Before the waker, and with it the watched descriptor, goes away (PF-9).
        wakeWatch = nil
        readAhead.destroy()
    }

    /// How libevent asks the kernel: `epoll`, `poll` or `select`.
    package var methodName: String { base.method }

    /// Closes the connections of this loop that have ended: a few a turn, if they are many.
    package let closing = ClosingQueue()

    /// The loop's idea of now: the coarse clock, read at most once a turn.
    ///
    /// First read in a turn after its wait; accurate to a kernel tick (1 to 10 ms) plus the time
    /// that passed since in the same turn.
    package var now: MonotonicTime {
        if let cachedNow { return cachedNow }
        let time = MonotonicTime.coarse
        cachedNow = time
        return time
    }

    /// Runs turns until ``stop()``.
    package func run() {
        while !isStopping { turn(waitingAtMost: nil) }
        isStopping = false
    }

    /// Makes ``run()`` return after the current turn.
    ///
    /// On the loop's thread.
    package func stop() {
        isStopping = true
    }

    /// Waits until something is ready and runs the callbacks of all that is: one `epoll_wait`.
    ///
    /// The corresponding C function is `event_base_loop` with `EVLOOP_ONCE`.
    ///
    /// - Parameter duration: the longest wait; `.zero` only looks, `nil` waits until something happens.
    package func turn(waitingAtMost duration: Duration?) {
        cachedNow = nil
        readAhead.beginTurn()
        let isBehind = closing.beginTurn()
        pass(waitingAtMost: hasFresh || isBehind ? .zero : duration)
        tellFresh()
    }

    private func pass(waitingAtMost duration: Duration?) {
        guard let duration else { return dispatch(EVLOOP_ONCE) }
        guard duration > .zero, (try? timeoutWatch?.add(timeout: duration)) != nil else {
            // By itself EVLOOP_NONBLOCK goes on for as long as anything is ready: a callback that
            // leaves its condition as it is, because the turn has had enough, would never return.
            return dispatch(EVLOOP_ONCE | EVLOOP_NONBLOCK)
        }
        dispatch(EVLOOP_ONCE)
        timeoutWatch?.remove()
    }

    private func dispatch(_ flags: CInt) {
        if unsafe event_base_loop(base.pointer, flags) < 0 { pauseAfterFailedWait() }
    }

    fileprivate func handleWake() {
        waker.clear()
        wakeCount &+= 1
        onWake?()
    }
}

@available(*, unavailable)
extension EventLoop: Sendable {}

private func woken(_: CInt, _: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<EventLoop>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.handleWake() }
}

// That it has run is all: it ended the wait.
private func timedOut(_: CInt, _: Int16, _: UnsafeMutableRawPointer?) {}
