package import EchoSockets
package import EchoWinsock
import Glibc

extension CompletionPort {
    // MARK: Adopting

    /// Takes a connected socket over.
    ///
    /// The corresponding Winsock function is `CreateIoCompletionPort` with an existing port.
    ///
    /// - Parameters:
    ///   - socket: closed with a reset if this throws.
    ///   - owner: what its packets are about; kept until the last of them has been dealt with
    ///     (CP-8). Its `deinit` must not use the port.
    ///   - options: how it is treated.
    /// - Returns: the name of the socket from now on.
    /// - Throws: what `epoll_ctl` gave, or `ENFILE` if the table is full.
    package func adopt(
        _ socket: consuming Socket,
        owner: AnyObject,
        options: AdoptionOptions = []
    ) throws(SystemError) -> SocketHandle {
        let number = socket.release()
        do {
            return try register(SocketState(number, SocketState.Flags(options)), owner)
        } catch {
            Socket(Descriptor(adopting: number)).setResetOnClose()
            throw error
        }
    }

    /// Takes a listening socket over; it is closed with its handle.
    ///
    /// - Parameters:
    ///   - listener: closed if this throws.
    ///   - owner: what the packets of its accepts are about (CP-10).
    /// - Returns: the name of the listener from now on.
    /// - Throws: what `epoll_ctl` gave, or `ENFILE` if the table is full.
    package func adopt(
        _ listener: consuming Listener,
        owner: AnyObject
    ) throws(SystemError) -> SocketHandle {
        let adopted = AdoptedListener(listener)
        return try adopt(adopted, adopted.number, owner)
    }

    /// Takes a datagram socket over; it is closed with its handle.
    ///
    /// - Parameters:
    ///   - socket: closed if this throws.
    ///   - batch: where its datagrams are received.
    ///   - owner: what its packets are about.
    /// - Returns: the name of the socket from now on.
    /// - Throws: what `epoll_ctl` gave, or `ENFILE` if the table is full.
    package func adopt(
        _ socket: consuming DatagramSocket,
        receivingInto batch: DatagramBatch,
        owner: AnyObject
    ) throws(SystemError) -> SocketHandle {
        let adopted = AdoptedDatagrams(socket, batch)
        return try adopt(adopted, adopted.number, owner)
    }

    private func adopt(
        _ source: AdoptedSource,
        _ number: CInt,
        _ owner: AnyObject
    ) throws(SystemError) -> SocketHandle {
        var state = SocketState(number, .borrowed)
        unsafe state.source = .passUnretained(source)
        let handle = try register(state, owner)
        _ = unsafe Unmanaged.passRetained(source)
        return handle
    }

    /// Watches a descriptor that stays the caller's: for ``waitReadable(on:)`` only.
    ///
    /// - Parameters:
    ///   - number: any descriptor that epoll(7) can watch. Close the handle before it.
    ///   - owner: what its packets are about.
    /// - Returns: the name of the descriptor for this port.
    /// - Throws: what `epoll_ctl` gave, or `ENFILE` if the table is full.
    package func adopt(
        watching number: CInt,
        owner: AnyObject
    ) throws(SystemError) -> SocketHandle {
        try register(SocketState(number, .borrowed), owner)
    }

    private func register(
        _ state: SocketState,
        _ owner: AnyObject
    ) throws(SystemError) -> SocketHandle {
        var state = state
        unsafe state.owner = .passRetained(owner)
        guard let handle = table.insert(state) else {
            unsafe state.owner?.release()
            throw SystemError(call: "epoll_ctl", errno: Errno(rawValue: ENFILE))
        }
        do throws(SystemError) {
            let isSource = unsafe state.source != nil
            try epoll.add(state.number, word: handle.word, isSource ? .input : .everything)
        } catch {
            table.end(handle) { state in
                // Not retained yet: see `adopt`.
                unsafe state.source = nil
                state.end()
            }
            unsafe forget(handle.slot, state.owner)
            throw error
        }
        return handle
    }

    // MARK: Using the socket

    /// How many bytes of the send whose turn it is the kernel has taken; 0 if none is pending.
    ///
    /// Any thread.
    package func sendProgress(on handle: SocketHandle) -> Int {
        table.withState(handle) { $0.sendProgress } ?? 0
    }

    /// Whether a receive is pending, or another operation without bytes: posted, and not complete.
    ///
    /// Any thread.
    package func hasPendingReceive(on handle: SocketHandle) -> Bool {
        table.withState(handle) { $0.armed != .nothing } ?? false
    }

    /// Shuts down a direction.
    ///
    /// The corresponding Winsock function is `shutdown`. A receive that is pending goes on; new
    /// ones are refused with `ESHUTDOWN` (OV-13). Any thread.
    package func shutdown(_ direction: Socket.Direction, on handle: SocketHandle) {
        table.withState(handle) { $0.shutdown(direction) }
    }

    /// Runs a body with the socket itself, for options and addresses.
    ///
    /// Any thread; other threads' operations on the socket wait meanwhile. The body must not use
    /// the handle.
    ///
    /// - Returns: what the body returned; `nil` if the handle is stale.
    @discardableResult
    package func withSocket<Result>(
        _ handle: SocketHandle,
        _ body: (borrowing Socket) -> Result
    ) -> Result? {
        table.withState(handle) { $0.withSocket(body) }
    }

    /// The owners of all open sockets.
    package var owners: [AnyObject] {
        table.slots.compactMap { slot in
            slot.withState { unsafe $0.isOpen ? $0.owner?.takeUnretainedValue() : nil }
        }
    }
}
