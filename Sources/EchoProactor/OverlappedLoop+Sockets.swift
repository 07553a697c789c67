package import EchoSockets
package import EchoWinsock
import Glibc

extension OverlappedLoop {
    /// Takes a connected socket over.
    ///
    /// - Parameters:
    ///   - socket: closed with a reset if this throws.
    ///   - options: how it is treated.
    /// - Returns: the name of the socket from now on.
    /// - Throws: what `epoll_ctl` gave.
    package func adopt(
        _ socket: consuming Socket,
        options: AdoptionOptions = []
    ) throws(SystemError) -> SocketHandle {
        let number = socket.release()
        var handle = SocketHandle.none
        do throws(SystemError) {
            try sockets.insert { made throws(SystemError) in
                handle = made
                try epoll.add(number, word: made.word)
                return AdoptedSocket.make(SocketState(number, SocketState.Flags(options)))
            }
        } catch {
            Socket(Descriptor(adopting: number)).setResetOnClose()
            throw error
        }
        return handle
    }

    /// Posts a receive.
    ///
    /// The corresponding Winsock function is `WSARecv`.
    ///
    /// Completes when anything has arrived (OV-4), in the order of posting (OV-7). An operation
    /// with a buffer receives at once if data is known to wait and nothing is posted before it; one
    /// without borrows a buffer when its turn comes.
    package func receive(_ operation: Operation, on handle: SocketHandle) -> Submission {
        sockets.with(handle) { socket in
            let state = unsafe socket.state
            guard operation.begin(.receive) else { return .busy }
            if unsafe state.pointee.flags.contains(.receivingEnded) {
                return refuse(operation, .shutDown)
            }
            returnBuffer(of: operation)
            if let count = unsafe receiveAtOnce(operation, state) {
                return settle(operation, count, unsafe state.pointee.flags)
            }
            guard unsafe state.pointee.pendingCount < SocketState.pendingLimit else {
                return refuse(operation, .tooMany)
            }
            unsafe state.pointee.receives.append(operation)
            unsafe state.pointee.pendingCount += 1
            unsafe requeue(state, handle)
            return .pending
        } ?? .staleSocket
    }

    private func receiveAtOnce(
        _ operation: Operation,
        _ state: UnsafeMutablePointer<SocketState>
    ) -> Int? {
        guard !operation.borrows, unsafe state.pointee.isReceiveReady,
            unsafe !state.pointee.hasPendingReceive, unsafe !state.pointee.isTurnSpent
        else { return nil }
        let count = withMemory { memory in
            unsafe state.pointee.receive(operation, &memory.buffers)
        }
        return count == -TransferError.wouldBlock ? nil : count
    }

    /// Posts a send.
    ///
    /// The corresponding Winsock function is `WSASend`.
    ///
    /// Completes when the kernel has taken all bytes (OV-5), in the order of posting (OV-7).
    ///
    /// - Parameters:
    ///   - bytes: what to send.
    ///   - operation: what is indicated.
    ///   - handle: where to.
    ///   - keep: where the bytes that the kernel does not take at once lie from now on, unchanged
    ///     until the operation has completed (OV-6); where they are, unless told otherwise.
    /// - Returns: the three outcomes of OV-1.
    package func send(
        _ bytes: UnsafeRawBufferPointer,
        with operation: Operation,
        on handle: SocketHandle,
        keeping keep: (UnsafeRawBufferPointer) -> UnsafeRawBufferPointer = { unsafe $0 }
    ) -> Submission {
        sockets.with(handle) { socket in
            let state = unsafe socket.state
            guard operation.begin(.send) else { return .busy }
            guard unsafe state.pointee.pendingCount < SocketState.pendingLimit else {
                return refuse(operation, .tooMany)
            }
            let count = unsafe state.pointee.sendAtOnce(bytes)
            if count < 0 || count == bytes.count {
                returnBuffer(of: operation)
                return settle(operation, count, unsafe state.pointee.flags)
            }
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[count...])
            let kept = unsafe keep(rest)
            if unsafe kept.baseAddress != rest.baseAddress { returnBuffer(of: operation) }
            unsafe state.pointee.enqueue(operation, kept, sent: count)
            return .pending
        } ?? .staleSocket
    }

    /// An operation that was over before it had to wait (OV-1).
    func settle(
        _ operation: Operation,
        _ count: Int,
        _ flags: SocketState.Flags
    ) -> Submission {
        if count < 0 { return refuse(operation, .refused(Errno(rawValue: CInt(-count)))) }
        operation.finish(number: 0, count: count)
        if flags.contains(.skipsPacket) { return .completed(bytes: count) }
        if operation.hasRoutine {
            unsafe indicate(.passRetained(operation))
        } else {
            operation.signal()
        }
        return .completed(bytes: count)
    }

    private func refuse(_ operation: Operation, _ refusal: Submission) -> Submission {
        operation.withdraw()
        return refusal
    }

    /// Gives back the buffer that an operation's last receive borrowed.
    package func returnBuffer(of operation: Operation) {
        if let buffer = unsafe operation.giveBack() {
            withMemory { unsafe $0.buffers.give(buffer) }
        }
    }

    /// Shuts down a direction.
    ///
    /// The corresponding Winsock function is `shutdown`. A receive that is pending goes on; new
    /// ones are refused with `ESHUTDOWN` (OV-13).
    package func shutdown(_ direction: Socket.Direction, on handle: SocketHandle) {
        sockets.with(handle) { unsafe $0.state.pointee.shutdown(direction) }
    }

    /// Runs a body with the socket itself, for options and addresses.
    ///
    /// The body must not use the handle.
    ///
    /// - Returns: what the body returned; `nil` if the handle is stale.
    @discardableResult
    package func withSocket<Result>(
        _ handle: SocketHandle,
        _ body: (borrowing Socket) -> Result
    ) -> Result? {
        sockets.with(handle) { unsafe $0.state.pointee.withSocket(body) }
    }

    /// Closes a socket.
    ///
    /// Each pending operation is indicated as failed with `ECANCELED`, exactly once (OV-8). The
    /// corresponding Winsock function is `closesocket`.
    ///
    /// - Parameters:
    ///   - handle: the socket.
    ///   - later: whether the kernel may be told later, when many are closed at once.
    /// - Returns: whether the handle was not stale.
    @discardableResult
    package func close(_ handle: SocketHandle, later: Bool = false) -> Bool {
        guard let socket = sockets.remove(handle) else { return false }
        let state = unsafe socket.state
        while let aborted = unsafe state.pointee.nextAborted() { unsafe indicate(aborted) }
        let descriptor = Descriptor(adopting: unsafe state.pointee.number)
        if later {
            closing.close(descriptor)
        } else {
            _ = consume descriptor
        }
        return true
    }
}

extension SocketState.Flags {
    init(_ options: AdoptionOptions) {
        self = []
        if options.contains(.skipsPacketOnSuccess) { insert(.skipsPacket) }
        if options.contains(.receivesUntilWouldBlock) { insert(.distrustsShortReceive) }
    }
}
