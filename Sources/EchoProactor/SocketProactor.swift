package import EchoSockets
import Glibc

/// Owns sockets and carries out operations on them: what the three ways to learn of completions
/// have in common.
///
/// An operation is posted ahead and completes exactly once. Whoever waits for completions drives
/// epoll(7) itself, so that nothing lies between readiness and completion but the transfer. A
/// socket belongs to one proactor for life (CP-1). Subclasses decide how a completion is indicated:
/// ``CompletionPort``, ``EventProactor``, ``AlertableThread``.
package class SocketProactor: @unchecked Sendable {
    /// The most operations that may wait on one socket (OV-14).
    package static var pendingLimit: Int { 1024 }

    /// Where receives without a buffer of their own borrow one.
    package final let buffers: BufferPool

    final let epoll: Epoll
    final let table = SocketTable()
    /// Closes sockets a few a turn, if they are many.
    package final let closing = ClosingQueue()
    final let monitor = Monitor()
    /// Completions, and sockets that wait for their turn.
    ///
    /// Guarded by the monitor.
    final var queue = PacketQueue()

    init(receiveBufferSize: Int) throws(SystemError) {
        epoll = try Epoll()
        buffers = BufferPool(bufferSize: receiveBufferSize)
    }

    deinit {
        while let packet = queue.removeFirst() { packet.release() }
        for index in 0..<table.usedCount {
            let ended = table.slot(index)?.withState { state -> EndedSocket? in
                guard state.flags.contains(.open) else { return nil }
                return Self.end(&state, .none) { $0.release() }
            }
            if let ended { dispose(ended) }
        }
    }

    // MARK: For subclasses

    /// Indicates a completion.
    ///
    /// Called under the socket's lock, after everything else (PR-9); the packet carries a reference
    /// to its operation.
    func deliver(_ packet: Packet) {
        packet.release()
    }

    /// Puts a socket's turn at the end of the queue (PR-5).
    ///
    /// Called under the socket's lock.
    func enqueueTurn(_ turn: Packet) {}

    /// Looks at an operation before it starts.
    ///
    /// - Returns: why it cannot be indicated; `nil` if it can.
    func prepare(_ operation: Operation) -> Errno? {
        // A socket of a port has no routines (CR-7).
        operation.routine == nil ? nil : Errno(rawValue: EINVAL)
    }

    // MARK: Associating

    /// Takes a connected socket over.
    ///
    /// The corresponding Winsock function is `CreateIoCompletionPort` with an existing port.
    ///
    /// - Parameters:
    ///   - socket: non-blocking; closed with a reset if this throws.
    ///   - key: what its packets carry (CP-8).
    ///   - options: how it is treated.
    /// - Returns: the name of the socket from now on.
    /// - Throws: what `epoll_ctl` gave, or `ENFILE` if the table is full.
    package final func associate(
        _ socket: consuming Socket,
        key: UInt64,
        options: AssociationOptions = []
    ) throws(SystemError) -> SocketHandle {
        let number = socket.release()
        do {
            return try register(number, key: key, flags: Self.flags(options))
        } catch {
            Socket(Descriptor(adopting: number)).setResetOnClose()
            throw error
        }
    }

    /// Takes a listening socket over; it is closed with its handle.
    ///
    /// - Parameters:
    ///   - listener: closed if this throws.
    ///   - key: what the packets of its accepts carry (CP-10).
    /// - Returns: the name of the listener from now on.
    /// - Throws: what `epoll_ctl` gave, or `ENFILE` if the table is full.
    package final func associate(
        _ listener: consuming Listener,
        key: UInt64
    ) throws(SystemError) -> SocketHandle {
        let reference = ListenerReference(listener)
        do {
            return try register(reference.number, key: key, flags: .borrowed, listener: reference)
        } catch {
            reference.close()
            throw error
        }
    }

    /// Watches a descriptor that stays the caller's: for ``waitReadable(_:on:)`` only.
    ///
    /// - Parameters:
    ///   - number: any descriptor that epoll(7) can watch. Close the handle before it.
    ///   - key: what its packets carry.
    /// - Returns: the name of the descriptor for this proactor.
    /// - Throws: what `epoll_ctl` gave, or `ENFILE` if the table is full.
    package final func associate(
        watching number: CInt,
        key: UInt64
    ) throws(SystemError)
        -> SocketHandle
    {
        try register(number, key: key, flags: .borrowed)
    }

    private static func flags(_ options: AssociationOptions) -> SocketState.Flags {
        var flags: SocketState.Flags = []
        if options.contains(.skipsPacketOnSuccess) { flags.insert(.skipsPacket) }
        if options.contains(.receivesUntilWouldBlock) { flags.insert(.distrustsShortReceive) }
        return flags
    }

    private final func register(
        _ number: CInt,
        key: UInt64,
        flags: SocketState.Flags,
        listener: ListenerReference? = nil
    ) throws(SystemError) -> SocketHandle {
        let handle = table.insert { state in
            state.open(number, key: key, flags: flags)
            state.listener = listener
        }
        guard let handle else {
            throw SystemError(call: "epoll_ctl", errno: Errno(rawValue: ENFILE))
        }
        do {
            try epoll.add(number, word: handle.word)
        } catch {
            _ = table.withState(handle) { state in
                state.flags = []
                state.generation &+= 1
            }
            table.release(handle)
            throw error
        }
        return handle
    }

    // MARK: Using the socket

    /// Shuts down a direction; pending operations go on (OV-13).
    ///
    /// The corresponding C function is `shutdown`. Any thread.
    package final func shutdown(_ direction: Socket.Direction, on handle: SocketHandle) {
        withSocket(handle) { $0.shutdown(direction) }
    }

    /// Runs a body with the socket itself, for options and addresses.
    ///
    /// Any thread; other threads' operations on the socket wait meanwhile. The body must not use the
    /// handle.
    ///
    /// - Returns: what the body returned; `nil` if the handle is stale.
    @discardableResult
    package final func withSocket<Result>(
        _ handle: SocketHandle,
        _ body: (borrowing Socket) -> Result
    ) -> Result? {
        table.withState(handle) { state in
            let socket = Socket(Descriptor(adopting: state.number))
            let result = body(socket)
            _ = socket.release()
            return result
        }
    }

    /// Whether a receive is pending, or a wait until there is something to receive: posted, and not
    /// complete.
    ///
    /// Any thread.
    package final func hasPendingReceive(on handle: SocketHandle) -> Bool {
        table.withState(handle) { $0.hasPendingReceive } ?? false
    }

    /// Every open socket.
    package final var openSockets: [SocketHandle] {
        (0..<table.usedCount).compactMap { index in
            table.slot(index)?.withState { state in
                guard state.flags.contains(.open) else { return nil }
                return SocketHandle(SlotAddress(index: index, generation: state.generation))
            }
        }
    }

    /// Whether the handle names an open socket.
    package final func isOpen(_ handle: SocketHandle) -> Bool {
        table.withState(handle) { _ in true } ?? false
    }
}
