import EchoSockets

// What is pending, carried out one by one; each engine indicates it in its own way.
extension SocketState {
    /// Carries out the receive whose turn it is.
    ///
    /// - Parameter buffers: where one without a buffer borrows its own.
    /// - Returns: the operation, which has ended, and its reference; `nil` if it must wait, for
    ///   data or for the socket's next turn.
    mutating func nextReceive(_ buffers: inout ReceiveBuffers) -> Unmanaged<Operation>? {
        guard isReceiveReady, !isTurnSpent, let operation = unsafe receives.first else {
            return nil
        }
        let count = unsafe operation._withUnsafeGuaranteedRef { receive($0, &buffers) }
        guard count != -TransferError.wouldBlock else { return nil }
        return unsafe takeReceive(count)
    }

    /// Receives for an operation: the bytes received, or a negated error.
    mutating func receive(_ operation: Operation, _ buffers: inout ReceiveBuffers) -> Int {
        let borrows = operation.borrows
        if borrows { unsafe operation.borrow(buffers.take()) }
        guard let start = unsafe operation.memory else { return receiveDatagrams(operation) }
        let count = unsafe receive(start, operation.room(in: buffers.size))
        if borrows, count <= 0, let unused = unsafe operation.giveBack() {
            unsafe buffers.give(unused)
        }
        return count
    }

    private mutating func takeReceive(_ count: Int) -> Unmanaged<Operation>? {
        guard let operation = unsafe receives.removeFirst() else { return nil }
        pendingCount -= 1
        unsafe operation._withUnsafeGuaranteedRef {
            $0.finish(number: CInt(max(0, -count)), count: max(0, count))
        }
        return unsafe operation
    }

    /// Sends what fits, if no send is before it.
    ///
    /// - Returns: the bytes sent, 0 if it must wait, or a negated error.
    mutating func sendAtOnce(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard sends.isEmpty, isSendReady else { return 0 }
        let count = unsafe send(bytes)
        return count == -TransferError.wouldBlock ? 0 : count
    }

    /// Puts a send in line, of which so much has been sent at once.
    mutating func enqueue(_ operation: Operation, _ rest: UnsafeRawBufferPointer, sent: Int) {
        unsafe operation.keepUnsent(rest, sent: sent)
        sends.append(operation)
        pendingCount += 1
    }

    /// Carries out the send whose turn it is.
    ///
    /// - Returns: the operation, which has ended, and its reference; `nil` if it must wait, for
    ///   room or for the socket's next turn.
    mutating func nextSend() -> Unmanaged<Operation>? {
        guard isSendReady, !isTurnSpent, let operation = unsafe sends.first else { return nil }
        if unsafe operation._withUnsafeGuaranteedRef({ $0.kind == .connect }) {
            return unsafe takeSend(number: connectError())
        }
        let count = unsafe send(operation._withUnsafeGuaranteedRef { unsafe $0.unsent })
        guard count != -TransferError.wouldBlock else { return nil }
        guard count >= 0 else { return unsafe takeSend(number: CInt(-count)) }
        spend(count)
        guard unsafe operation._withUnsafeGuaranteedRef({ $0.noteSent(count) }) else { return nil }
        return unsafe takeSend(number: 0)
    }

    // Why the connection could not be established; 0 if it is.
    private mutating func connectError() -> CInt {
        guard let error = withSocket({ $0.takeError() }) else { return 0 }
        noteFailure(Int(error.rawValue))
        return error.rawValue
    }

    private mutating func takeSend(number: CInt) -> Unmanaged<Operation>? {
        guard let operation = unsafe sends.removeFirst() else { return nil }
        pendingCount -= 1
        unsafe operation._withUnsafeGuaranteedRef {
            $0.finish(number: number, count: $0.sentCount)
        }
        return unsafe operation
    }

    /// How many bytes of the send whose turn it is the kernel has taken; 0 if none is pending.
    var sendProgress: Int {
        unsafe sends.first.map { unsafe $0._withUnsafeGuaranteedRef { $0.sentCount } } ?? 0
    }

    /// Takes a pending operation out as cancelled; `nil` if there is none.
    mutating func nextAborted() -> Unmanaged<Operation>? {
        unsafe takeReceive(-TransferError.cancelled)
            ?? takeSend(number: CInt(TransferError.cancelled))
    }
}
