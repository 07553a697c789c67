import EchoSockets
import Glibc

extension SocketProactor {
    /// Posts a send.
    ///
    /// The corresponding Winsock function is `WSASend`. Any thread.
    ///
    /// Completes when the kernel has taken all bytes (OV-5), in the order of posting (OV-7). What
    /// it does not take at once is copied, unless it lies in the operation's own buffer: the
    /// caller's memory is free when this returns.
    ///
    /// - Parameters:
    ///   - bytes: what to send.
    ///   - operation: what is indicated.
    ///   - handle: where to.
    /// - Returns: the three outcomes of OV-1.
    package final func send(
        _ bytes: UnsafeRawBufferPointer,
        with operation: Operation,
        on handle: SocketHandle
    ) -> Submission {
        if let refusal = start(operation, .send, on: handle) { return refusal }
        let submission = table.withState(handle) { state -> Submission in
            guard state.pendingCount < Self.pendingLimit else {
                operation.withdraw()
                return .tooMany
            }
            let count = unsafe Self.sendAtOnce(&state, bytes)
            guard count >= 0, count < bytes.count else {
                returnLease(of: operation)
                return settle(operation, count, &state, handle)
            }
            unsafe enqueue(operation, bytes, sent: count, &state)
            return .pending
        }
        if let submission { return submission }
        operation.withdraw()
        return .staleSocket
    }

    /// How many bytes of the send whose turn it is the kernel has taken so far; 0 if none is pending.
    ///
    /// Any thread.
    package final func sendProgress(on handle: SocketHandle) -> Int {
        table.withState(handle) { $0.sends.first?.sent ?? 0 } ?? 0
    }

    /// A send without an object; only a tail that the kernel did not take gets one.
    final func sendAnonymously(
        _ bytes: UnsafeRawBufferPointer,
        on handle: SocketHandle
    ) -> Submission {
        table.withState(handle) { state -> Submission in
            guard state.pendingCount < Self.pendingLimit else { return .tooMany }
            let count = unsafe Self.sendAtOnce(&state, bytes)
            if count == bytes.count {
                if !state.flags.contains(.skipsPacket) {
                    deliver(
                        Packet(key: state.key, socket: handle, kind: .send, byteCount: count)
                    )
                }
                return .completed(bytes: count)
            }
            if count < 0 { return .refused(Errno(rawValue: CInt(-count))) }
            let operation = Operation()
            operation.isAnonymous = true
            guard operation.begin(.send, on: handle) else { return .busy }
            unsafe enqueue(operation, bytes, sent: count, &state)
            return .pending
        } ?? .staleSocket
    }

    private final func enqueue(
        _ operation: Operation,
        _ bytes: UnsafeRawBufferPointer,
        sent: Int,
        _ state: inout SocketState
    ) {
        unsafe operation.keepUnsent(UnsafeRawBufferPointer(rebasing: bytes[sent...]), sent: sent)
        state.sends.append(operation)
        state.pendingCount += 1
    }

    /// Sends what fits, if nobody is before: the count, 0 to wait, or a negated error.
    private static func sendAtOnce(
        _ state: inout SocketState,
        _ bytes: UnsafeRawBufferPointer
    ) -> Int {
        guard state.sends.isEmpty, state.isSendReady else { return 0 }
        let count = unsafe send(&state, bytes)
        return count == -Int(EAGAIN) ? 0 : count
    }

    /// One `send`, and what follows from it for the socket's readiness: after a short one the
    /// kernel gives an edge when there is room again (PR-3).
    static func send(_ state: inout SocketState, _ bytes: UnsafeRawBufferPointer) -> Int {
        let number = state.number
        let count = transferCall {
            unsafe Glibc.send(number, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
        }
        if count == -Int(EAGAIN) || (count >= 0 && count < bytes.count) {
            state.flags.remove(.sendReady)
        }
        return count
    }
}
