import CLibevent
import EchoSockets
import Glibc

/// One libevent event: waits for a descriptor to become ready, or for time to pass.
///
/// Level-triggered. Noncopyable: the event is removed and freed when its owner is destroyed. This
/// must happen *before* the descriptor is closed (PF-9) and before the base is freed, so its owner
/// keeps the loop alive. Confined to its loop's thread; not Sendable.
///
/// The callback is a C function and the context an unowned pointer, so that an event costs no
/// retain, no release and no allocation. The context must outlive the watch: usually it is the
/// object that stores the watch.
@safe
struct Watch: ~Copyable {
    private let event: OpaquePointer

    /// What runs on the loop's thread: the descriptor, the ``Readiness`` bits, the context.
    typealias Callback = @convention(c) (CInt, Int16, UnsafeMutableRawPointer?) -> Void

    /// Prepares a watch; ``add()`` starts it.
    ///
    /// The corresponding C function is `event_new`.
    ///
    /// - Parameters:
    ///   - base: of the loop whose thread this is.
    ///   - descriptor: the descriptor to watch; -1 for a watch that only uses ``add(timeout:)``.
    ///   - readiness: the readiness to wait for.
    ///   - persistent: whether it stays added after it has fired.
    ///   - context: passed to the callback.
    ///   - callback: what runs when it fires.
    /// - Throws: `EMFILE` for a descriptor that `select(2)` cannot take (PF-1).
    init(
        _ base: EventBase,
        descriptor: CInt,
        _ readiness: Readiness,
        persistent: Bool,
        context: UnsafeMutableRawPointer,
        callback: Callback
    ) throws(SystemError) {
        try base.admit(descriptor)
        let flags = readiness.rawValue | (persistent ? Int16(EV_PERSIST) : 0)
        guard
            let event = unsafe event_new(base.pointer, descriptor, flags, callback, context)
        else { throw SystemError(call: "event_new", errno: Errno(rawValue: ENOMEM)) }
        unsafe self.event = event
    }

    deinit {
        // Also removes it from the loop, even from within its own callback.
        unsafe event_free(event)
    }

    /// Starts waiting; has no effect if it is already waiting.
    ///
    /// The corresponding C function is `event_add`. One `epoll_ctl`.
    ///
    /// - Throws: the kernel's refusal, such as `ENOSPC` beyond `max_user_watches`.
    func add() throws(SystemError) {
        try check(unsafe event_add(event, nil))
    }

    /// Starts waiting for at most a time; calling again restarts the time.
    ///
    /// The corresponding C function is `event_add`. Accurate to a kernel tick.
    func add(timeout: Duration) throws(SystemError) {
        var time = timeval(spanning: timeout)
        try check(unsafe event_add(event, &time))
    }

    private func check(_ status: CInt) throws(SystemError) {
        let number = Errno.current
        if status != 0 { throw SystemError(call: "event_add", errno: number) }
    }

    /// Stops waiting.
    ///
    /// Its callback does not run, even if it was already due. The corresponding C function is
    /// `event_del`. One `epoll_ctl`, none if it was not waiting.
    func remove() {
        unsafe event_del(event)
    }

    /// Whether it waits or is due.
    ///
    /// The corresponding C function is `event_pending`.
    var isPending: Bool {
        let any = EV_TIMEOUT | EV_READ | EV_WRITE
        return unsafe event_pending(event, Int16(any), nil) != 0
    }
}

/// What a ``Watch`` waits for, and what it has seen.
///
/// The bits are libevent's `EV_` flags.
struct Readiness: OptionSet {
    /// The bits, as libevent's callbacks get them.
    let rawValue: Int16

    /// There is something to read, or an end, or an error (`EV_READ`).
    static let read = Readiness(rawValue: Int16(EV_READ))
    /// There is room to write, or an error (`EV_WRITE`).
    static let write = Readiness(rawValue: Int16(EV_WRITE))
}

extension timeval {
    /// A time span for libevent: never negative, at most about thirty years.
    init(spanning duration: Duration) {
        let nanoseconds = min(max(duration.nanoseconds, 0), 1_000_000_000_000_000_000)
        // Rounded up, so that a wait is never shorter than requested.
        let microseconds = (nanoseconds + 999) / 1000
        self.init(tv_sec: Int(microseconds / 1_000_000), tv_usec: Int(microseconds % 1_000_000))
    }
}
