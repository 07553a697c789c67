package import EchoSockets
package import EchoWinsock
import Glibc

/// The sockets that a thread waits on together, and those that the last call found ready: the
/// `fd_set`s of `select`.
///
/// It is kept between calls, unlike an `fd_set`, which each call overwrites. For a loop with the
/// method ``LoopMethod/select``: descriptors of 1024 and more are refused (PF-1). Confined to the
/// loop's thread; not Sendable.
@safe
package final class SelectSet {
    /// A ready socket.
    package struct Ready {
        /// The handle that it was inserted with.
        package let handle: SocketHandle
        private let readiness: Readiness

        fileprivate init(_ handle: SocketHandle, _ readiness: Readiness) {
            self.handle = handle
            self.readiness = readiness
        }

        /// Whether there is something to receive, including an end or an error: `FD_ISSET` of the
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
    // Of one thread, and no call from within a call: no run-time check.
    @exclusivity(unchecked) private var ready = Ring<Ready>()

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

    /// Inserts a socket, or replaces what it is watched for.
    ///
    /// The corresponding macros are `FD_SET` and `FD_CLR`. A socket that has never been connected
    /// is neither readable nor writable, although select(2) reports both; insert it again once it
    /// is connected.
    ///
    /// - Parameters:
    ///   - socket: the socket; ``remove(_:)`` it before it is closed.
    ///   - handle: its name when it is ready.
    ///   - reading: whether to wait for something to receive.
    ///   - writing: whether to wait for room to send.
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
        try insert(socket.number, handle, interest)
    }

    private func insert(
        _ number: CInt,
        _ handle: SocketHandle,
        _ interest: Readiness
    ) throws(SystemError) {
        let watch = try makeWatch(number, interest)
        unsafe members[Int(number)] = Member(handle: handle, interest: interest, watch: watch)
    }

    /// Inserts a datagram socket, to wait for datagrams.
    ///
    /// The corresponding macro is `FD_SET`.
    ///
    /// - Parameters:
    ///   - number: its descriptor; ``remove(datagramsFrom:)`` it before it is closed.
    ///   - handle: its name when it is ready.
    /// - Throws: `EMFILE` if its number is too large, or that memory has run out.
    package func insert(
        datagramsFrom number: CInt,
        as handle: SocketHandle
    ) throws(SystemError) {
        try loop.base.admit(number)
        try insert(number, handle, .read)
    }

    private func makeWatch(
        _ number: CInt,
        _ interest: Readiness
    ) throws(SystemError) -> Watch? {
        // Drop the previous watch first: libevent must see each descriptor once.
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

    /// Removes a socket.
    ///
    /// The corresponding macro is `FD_CLR`.
    package func remove(_ socket: borrowing Socket) {
        remove(datagramsFrom: socket.number)
    }

    /// Removes a datagram socket.
    package func remove(datagramsFrom number: CInt) {
        guard number < EventBase.selectLimit else { return }
        unsafe members[Int(number)] = nil
    }

    /// Takes the next socket that the last call found ready.
    package func nextReady() -> Ready? { unsafe ready.popFirst() }

    /// The number of ready sockets not yet taken.
    var readyCount: Int { unsafe ready.count }

    fileprivate func note(_ number: CInt, _ readiness: Readiness) {
        guard let handle = unsafe members[Int(number)]?.handle else { return }
        unsafe ready.append(Ready(handle, readiness))
    }
}

@available(*, unavailable)
extension SelectSet: Sendable {}

extension EventLoop {
    /// Waits until sockets of a set are ready, or something else ends the turn.
    ///
    /// The corresponding function is `select`.
    ///
    /// With an empty set it waits, where Winsock fails at once (SEL-2).
    ///
    /// - Parameters:
    ///   - set: a set of this loop; ``SelectSet/nextReady()`` then returns the ready ones.
    ///   - timeout: the longest wait; `nil` means for ever, `.zero` only tests.
    /// - Returns: how many are ready; 0 after the timeout.
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
    // A hang-up without an end (tcp_poll in the kernel) means that there was not even a connection
    // attempt.
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
