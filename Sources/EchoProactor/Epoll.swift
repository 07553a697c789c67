import CEchoLinux
import EchoSockets
import Glibc

/// What the kernel has reported for a descriptor: the event bits of epoll_ctl(2) (PR-11).
struct Readiness: OptionSet {
    let rawValue: UInt32

    static var input: Readiness { Readiness(rawValue: EPOLLIN.rawValue) }
    static var urgent: Readiness { Readiness(rawValue: EPOLLPRI.rawValue) }
    static var output: Readiness { Readiness(rawValue: EPOLLOUT.rawValue) }
    static var error: Readiness { Readiness(rawValue: EPOLLERR.rawValue) }
    static var hangUp: Readiness { Readiness(rawValue: EPOLLHUP.rawValue) }
    static var peerClosed: Readiness { Readiness(rawValue: EPOLLRDHUP.rawValue) }

    /// A receive can make progress, be it only to learn of the end or of an error.
    static var receivable: Readiness { [.input, .urgent, .error, .hangUp, .peerClosed] }
    /// A send can make progress, be it only to fail.
    static var sendable: Readiness { [.output, .error, .hangUp] }
    /// All that can be asked for.
    static var everything: Readiness { [.input, .output, .urgent, .peerClosed] }
    /// More lies behind what a short receive returns (PR-3, PF-5).
    static var concealing: Readiness { [.urgent, .error, .hangUp, .peerClosed] }
}

/// An epoll(7) descriptor and the means to wake whoever waits on it.
///
/// Each descriptor is added once, for all that it may owe, edge-triggered (PR-1), under a word of
/// the caller's that is never a descriptor number (PF-9). Any number of threads may wait at once:
/// the kernel gives each edge to one of them, the one that came last (PR-6, PF-25, E-l).
struct Epoll: ~Copyable, Sendable {
    /// The word under which ``wake()`` arrives.
    static var wakeWord: UInt64 { .max }

    private let descriptor: Descriptor
    private let alarm: Descriptor

    init() throws(SystemError) {
        let descriptor = Descriptor(
            adopting: try systemCall("epoll_create1") { epoll_create1(CInt(EPOLL_CLOEXEC)) }
        )
        let alarm = Descriptor(
            adopting: try systemCall("eventfd") {
                eventfd(1, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
            }
        )
        // Readable for ever, but silent until a modification arms the edge anew.
        try Self.control(
            descriptor.rawValue,
            EPOLL_CTL_ADD,
            alarm.rawValue,
            EPOLLET.rawValue,
            Self.wakeWord
        )
        self.descriptor = descriptor
        self.alarm = alarm
    }

    private static func control(
        _ epoll: CInt,
        _ command: CInt,
        _ number: CInt,
        _ events: UInt32,
        _ word: UInt64
    ) throws(SystemError) {
        var event = unsafe epoll_event()
        unsafe event.events = events
        unsafe event.data.u64 = word
        try systemCall("epoll_ctl") { unsafe epoll_ctl(epoll, command, number, &event) }
    }

    /// Starts watching a descriptor.
    ///
    /// What holds already arrives as the first edge.
    ///
    /// - Parameters:
    ///   - number: the descriptor.
    ///   - word: what its edges arrive under.
    ///   - events: which of them; of errors and hang-ups in any case. A datagram socket has an edge
    ///     of output for each datagram that its receiver takes: only for who needs it.
    /// - Throws: what `epoll_ctl` gave.
    func add(
        _ number: CInt,
        word: UInt64,
        _ events: Readiness = .everything
    ) throws(SystemError) {
        try Self.control(
            descriptor.rawValue,
            EPOLL_CTL_ADD,
            number,
            events.rawValue | EPOLLET.rawValue,
            word
        )
    }

    /// Stops watching a descriptor that stays open, here or in another process (PF-10).
    func remove(_ number: CInt) {
        try? Self.control(descriptor.rawValue, EPOLL_CTL_DEL, number, 0, 0)
    }

    /// Makes one waiting thread return, or the next that waits.
    ///
    /// One system call.
    func wake() {
        try? Self.control(
            descriptor.rawValue,
            EPOLL_CTL_MOD,
            alarm.rawValue,
            EPOLLIN.rawValue | EPOLLET.rawValue,
            Self.wakeWord
        )
    }

    /// Waits for edges.
    ///
    /// The corresponding C function is `epoll_wait`.
    ///
    /// - Parameters:
    ///   - events: where the edges go.
    ///   - milliseconds: how long to wait; negative for ever.
    /// - Returns: how many came; 0 also when a signal interrupted the wait, and, after a pause,
    ///   when it failed.
    func wait(_ events: borrowing EdgeBuffer, milliseconds: CInt) -> Int {
        let count = unsafe epoll_wait(
            descriptor.rawValue,
            events.pointer,
            CInt(EdgeBuffer.capacity),
            milliseconds
        )
        if count < 0, errno != EINTR { pauseAfterFailedWait() }
        return max(0, Int(count))
    }

    /// Waits for edges, and polls for a while before it sleeps if that pays.
    @inline(__always)
    func wait(
        _ events: borrowing EdgeBuffer,
        until deadline: Deadline,
        _ polling: inout BusyPolling
    ) -> Int {
        guard polling.isOn, !deadline.isNow else {
            return wait(events, milliseconds: deadline.milliseconds)
        }
        return pollAndWait(events, until: deadline, &polling)
    }

    // Apart, so that a loop that does not poll pays only for the question.
    @inline(never)
    private func pollAndWait(
        _ events: borrowing EdgeBuffer,
        until deadline: Deadline,
        _ polling: inout BusyPolling
    ) -> Int {
        if polling.isHot {
            let count = wait(events, milliseconds: 0)
            if count > 0 { return count }
        }
        var attempt = polling.begin(deadline.moment)
        while attempt.polls {
            let count = wait(events, milliseconds: 0)
            if count > 0 {
                polling.found(attempt)
                return count
            }
            attempt.noteTime()
        }
        let count = wait(events, milliseconds: deadline.milliseconds)
        polling.slept(attempt)
        return count
    }

    /// Waits for edges until a moment, to the nanosecond where the kernel can, as Linux has since
    /// 5.11.
    ///
    /// The corresponding C function is `epoll_pwait2`.
    func wait(_ events: borrowing EdgeBuffer, until moment: MonotonicTime) -> Int {
        let left = max(0, moment.nanoseconds - MonotonicTime.now.nanoseconds)
        var timeout = timespec(
            tv_sec: Int(left / 1_000_000_000),
            tv_nsec: Int(left % 1_000_000_000)
        )
        let count = unsafe epoll_pwait2(
            descriptor.rawValue,
            events.pointer,
            CInt(EdgeBuffer.capacity),
            &timeout,
            nil
        )
        if count >= 0 || errno == EINTR { return max(0, Int(count)) }
        return wait(events, milliseconds: CInt(clamping: (left + 999_999) / 1_000_000))
    }
}

/// Room for the edges of one `epoll_wait`.
@safe struct EdgeBuffer: ~Copyable {
    static var capacity: Int { 64 }

    fileprivate let pointer: UnsafeMutablePointer<epoll_event>

    init() {
        unsafe pointer = .allocate(capacity: Self.capacity)
        unsafe pointer.initialize(repeating: epoll_event(), count: Self.capacity)
    }

    deinit {
        unsafe pointer.deallocate()
    }

    /// One of the edges of the last wait: its word, and what it said.
    subscript(index: Int) -> (word: UInt64, readiness: Readiness) {
        let event = unsafe pointer[index]
        return unsafe (event.data.u64, Readiness(rawValue: event.events))
    }
}
