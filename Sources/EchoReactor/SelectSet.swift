package import EchoSockets
package import EchoWinsock
import Glibc

/// The sockets that a thread asks about together, and those of them that the last call found ready:
/// the `fd_set`s of `select`.
///
/// Kept between calls, unlike an `fd_set`, which the call overwrites. For a loop whose method is
/// ``LoopMethod/select``: descriptors from 1024 on are refused (PF-1). Confined to the loop's thread;
/// not Sendable.
@safe
package final class SelectSet {
    /// One socket that was found ready.
    package struct Ready {
        /// Which: the handle that it was put in with.
        package let handle: SocketHandle
        private let readiness: Readiness

        fileprivate init(_ handle: SocketHandle, _ readiness: Readiness) {
            self.handle = handle
            self.readiness = readiness
        }

        /// Whether there is something to receive, an end and an error included: `FD_ISSET` of the
        /// set for reading (SEL-5).
        package var isReadable: Bool { readiness.contains(.read) }

        /// Whether there is room to send, or an error: `FD_ISSET` of the set for writing (SEL-6).
        package var isWritable: Bool { readiness.contains(.write) }
    }

    private struct Member: ~Copyable {
        let handle: SocketHandle
        var interest: Readiness
        var watch: Watch?
    }

    // By descriptor, as an fd_set is.
    private let members: UnsafeMutablePointer<Member?>
    private static let size = Int(EventBase.selectLimit)
    private let loop: EventLoop
    private var ready = Ring<Ready>()

    /// An empty set.
    ///
    /// The corresponding macro is `FD_ZERO`.
    package init(_ loop: EventLoop) {
        self.loop = loop
        unsafe members = .allocate(capacity: Self.size)
        for index in 0..<Self.size { unsafe (members + index).initialize(to: nil) }
    }

    deinit {
        unsafe members.deinitialize(count: Self.size)
        unsafe members.deallocate()
    }

    /// Asks about a socket from now on, and no more about what is not named again.
    ///
    /// The corresponding macros are `FD_SET` and `FD_CLR`. A socket that has never been connected is
    /// neither readable nor writable, though select(2) says it is both; put it in again once it is.
    ///
    /// - Parameters:
    ///   - socket: which; ``remove(_:)`` it before it is closed.
    ///   - handle: what it is named by when it is ready.
    ///   - reading: whether to ask for something to receive.
    ///   - writing: whether to ask for room to send.
    /// - Throws: `EMFILE` if its number is too large, or that memory has run out.
    package func insert(
        _ socket: borrowing Socket,
        as handle: SocketHandle,
        reading: Bool,
        writing: Bool = false
    ) throws(SystemError) {
        try loop.base.admit(socket.number)
        var interest: Readiness = reading ? .read : []
        if writing { interest.insert(.write) }
        let isKnown = unsafe members[Int(socket.number)]?.interest.isEmpty == false
        if !isKnown, socket.isNeverConnected { interest = [] }
        let watch = try makeWatch(socket.number, interest)
        unsafe members[Int(socket.number)] = Member(
            handle: handle,
            interest: interest,
            watch: watch
        )
    }

    private func makeWatch(
        _ number: CInt,
        _ interest: Readiness
    ) throws(SystemError) -> Watch? {
        // The one before it first: libevent is to see each descriptor once.
        unsafe members[Int(number)]?.watch = nil
        guard !interest.isEmpty else { return nil }
        let watch = unsafe try Watch(
            loop.base,
            descriptor: number,
            interest,
            persistent: true,
            context: Unmanaged.passUnretained(self).toOpaque(),
            callback: memberReady
        )
        try watch.add()
        return watch
    }

    /// Asks about a socket no more.
    ///
    /// The corresponding macro is `FD_CLR`.
    package func remove(_ socket: borrowing Socket) {
        guard socket.number < EventBase.selectLimit else { return }
        unsafe members[Int(socket.number)] = nil
    }

    /// Takes one of those that the last call found ready.
    package func nextReady() -> Ready? { ready.popFirst() }

    /// How many of them have not been taken.
    var readyCount: Int { ready.count }

    fileprivate func note(_ number: CInt, _ readiness: Readiness) {
        guard let handle = unsafe members[Int(number)]?.handle else { return }
        ready.append(Ready(handle, readiness))
    }
}

@available(*, unavailable)
extension SelectSet: Sendable {}

extension EventLoop {
    /// Waits until sockets of a set are ready, or something else ends the turn.
    ///
    /// The corresponding function is `select`.
    ///
    /// With an empty set it waits as well, where Winsock fails at once (SEL-2).
    ///
    /// - Parameters:
    ///   - set: a set of this loop; gives the ready ones with ``SelectSet/nextReady()``.
    ///   - timeout: the longest wait; `nil` for ever, `.zero` only looks.
    /// - Returns: how many are ready; 0 after the time.
    /// - Throws: `ENOTSOCK` if one has been closed without leaving the set (SEL-3).
    @discardableResult
    package func select(_ set: SelectSet, timeout: Duration?) throws(SystemError) -> Int {
        turn(waitingAtMost: timeout)
        if let failure {
            let isClosed = failure.rawValue == EBADF
            throw SystemError(call: "select", errno: isClosed ? .notASocket : failure)
        }
        return set.readyCount
    }
}

extension Socket {
    // A hang-up without an end (tcp_poll in the kernel): not even an attempt to connect.
    fileprivate var isNeverConnected: Bool {
        let ended = CInt(POLLIN)
        return wait(for: ended, atMost: 0) & (ended | CInt(POLLHUP)) == CInt(POLLHUP)
    }
}

private func memberReady(_ number: CInt, _ what: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    unsafe Unmanaged<SelectSet>.fromOpaque(context)._withUnsafeGuaranteedRef {
        $0.note(number, Readiness(rawValue: what))
    }
}
