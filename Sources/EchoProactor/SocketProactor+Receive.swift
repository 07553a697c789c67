package import EchoSockets
import Glibc

extension SocketProactor {
    /// Posts a receive.
    ///
    /// The corresponding Winsock function is `WSARecv`. Any thread.
    ///
    /// Completes when anything has arrived (OV-4), in the order of posting (OV-7). An operation
    /// with a buffer receives at once if data is known to wait and nothing is posted before it; one
    /// without borrows a buffer when its turn comes.
    package final func receive(_ operation: Operation, on handle: SocketHandle) -> Submission {
        if let refusal = start(operation, .receive, on: handle) { return refusal }
        returnLease(of: operation)
        return post(operation, on: handle) { state in
            guard let start = unsafe operation.buffer.baseAddress,
                !state.hasPendingReceive, state.isReceiveReady, !state.isTurnSpent
            else { return nil }
            let count = unsafe Self.receive(&state, start, operation.buffer.count)
            return count == -Int(EAGAIN) ? nil : count
        }
    }

    /// Posts a wait until something can be received, which itself receives nothing (OV-11).
    ///
    /// Any thread.
    package final func waitReadable(_ operation: Operation, on handle: SocketHandle) -> Submission {
        if let refusal = start(operation, .readable, on: handle) { return refusal }
        return post(operation, on: handle) { _ in nil }
    }

    /// Posts the acceptance of one connection.
    ///
    /// The corresponding Winsock function is `AcceptEx` without a receive (OV-12). Any thread.
    ///
    /// Completes with the connection (``Operation/takeAccepted()``) or fails: with `EMFILE`,
    /// `ENFILE`, `ENOBUFS` or `ENOMEM` the connection is still queued, and the user decides when to
    /// post again (PF-3); with `ECONNABORTED` and the like it was lost, and the next may be asked
    /// for. To pause accepting, post none.
    package final func accept(_ operation: Operation, on handle: SocketHandle) -> Submission {
        if let refusal = start(operation, .accept, on: handle) { return refusal }
        return post(operation, on: handle) { state in
            state.listener == nil ? -Int(EINVAL) : nil
        }
    }

    /// Accepts the first queued connection now, without an operation.
    ///
    /// Any thread.
    ///
    /// - Returns: the connection, or what came instead; `.nothing` if the handle is stale.
    package final func accept(on handle: SocketHandle) -> AcceptOutcome {
        var outcome = AcceptOutcome.nothing
        _ = table.withState(handle) { state in
            if let listener = state.listener { outcome = listener.accept() }
        }
        return outcome
    }

    /// Whether a connection is queued on a listening socket; `false` if the handle is stale.
    ///
    /// Any thread.
    package final func hasQueue(_ handle: SocketHandle) -> Bool {
        table.withState(handle) { $0.listener?.hasQueue ?? false } ?? false
    }

    /// Takes an operation on, unless it is under way or cannot be indicated.
    final func start(
        _ operation: Operation,
        _ kind: OperationKind,
        on handle: SocketHandle
    ) -> Submission? {
        if operation.isPending { return .busy }
        if let error = prepare(operation) { return .refused(error) }
        return operation.begin(kind, on: handle) ? nil : .busy
    }

    /// Puts an operation in line unless it can be carried out at once.
    ///
    /// - Parameters:
    ///   - operation: already begun.
    ///   - handle: its socket.
    ///   - attempt: gives the bytes moved, a negated error, or `nil` to wait.
    /// - Returns: the three outcomes of OV-1.
    private final func post(
        _ operation: Operation,
        on handle: SocketHandle,
        _ attempt: (inout SocketState) -> Int?
    ) -> Submission {
        let submission = table.withState(handle) { state -> Submission in
            if let count = attempt(&state) {
                return settle(operation, count, &state, handle)
            }
            guard state.pendingCount < Self.pendingLimit else {
                operation.withdraw()
                return .tooMany
            }
            state.receives.append(operation)
            state.pendingCount += 1
            if state.isReceiveReady { requeue(&state, handle) }
            return .pending
        }
        if let submission { return submission }
        operation.withdraw()
        return .staleSocket
    }

    /// An operation that was over before it had to wait (OV-1).
    final func settle(
        _ operation: Operation,
        _ count: Int,
        _ state: inout SocketState,
        _ handle: SocketHandle
    ) -> Submission {
        if count < 0 {
            operation.withdraw()
            return .refused(Errno(rawValue: CInt(-count)))
        }
        if operation.kind == .send { operation.sent = count }
        if state.flags.contains(.skipsPacket) {
            operation.finish(number: 0, count: count)
        } else {
            let reference = unsafe Unmanaged.passRetained(operation)
            deliver(unsafe Self.finished(reference, state, handle, number: 0, count: count))
        }
        return .completed(bytes: count)
    }

    /// Gives back the buffer that an operation's last receive borrowed.
    package final func returnLease(of operation: Operation) {
        if let lease = unsafe operation.lease {
            unsafe operation.lease = nil
            unsafe buffers.give(lease)
        }
    }

    /// One `recv`, and what follows from it for the socket's readiness.
    static func receive(
        _ state: inout SocketState,
        _ start: UnsafeMutableRawPointer,
        _ room: Int
    ) -> Int {
        let number = state.number
        let count = transferCall { unsafe receiveBytes(from: number, start, room, 0) }
        if count == -Int(EAGAIN) {
            state.noteReceiveWouldBlock()
        } else if count >= 0 {
            state.noteReceived(count, of: room)
            state.spend(count)
        }
        return count
    }
}
