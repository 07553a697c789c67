package import EchoSockets
package import EchoWinsock
import Glibc

extension CompletionPort {
    /// Posts a receive into the buffer of the worker that will handle it.
    ///
    /// The corresponding Winsock function is `WSARecv`. Any thread.
    ///
    /// While it waits it costs nothing. Its packet carries the bytes (``Packet/bytes``), valid
    /// until that worker dequeues again. Never completes before it returns.
    ///
    /// - Parameters:
    ///   - handle: where from.
    ///   - limit: the most bytes to take, at least 1; by default what the buffer holds.
    /// - Returns: ``Submission/pending``, or why it was refused.
    @discardableResult
    package func receive(on handle: SocketHandle, atMost limit: Int = .max) -> Submission {
        arm(.receive, on: handle, atMost: UInt32(clamping: max(1, limit)))
    }

    /// Posts a wait until something can be received (OV-11).
    ///
    /// Any thread.
    ///
    /// - Returns: ``Submission/pending``, or why it was refused.
    @discardableResult
    package func waitReadable(on handle: SocketHandle) -> Submission {
        arm(.readable, on: handle, atMost: 0)
    }

    /// Posts the acceptance of one connection.
    ///
    /// The corresponding Winsock function is `AcceptEx` without a receive (OV-12). Any thread.
    ///
    /// Its packet says whether it succeeded, and ``nextConnection(on:)`` has what it brought. With
    /// `EMFILE`, `ENFILE`, `ENOBUFS` or `ENOMEM` the connection is still queued, and the user
    /// decides when to post again (PF-3). To pause accepting, post none.
    ///
    /// - Returns: ``Submission/pending``, or why it was refused.
    @discardableResult
    package func accept(on handle: SocketHandle) -> Submission {
        arm(.accept, on: handle, atMost: 0)
    }

    /// Posts a receive of datagrams into the batch with which the socket was adopted.
    ///
    /// The corresponding Winsock function is `WSARecvFrom`. Any thread.
    ///
    /// Its packet carries the number of messages as its number of bytes, or an error; then it may
    /// be posted again, in either case. Until then the batch is the user's. Never completes before
    /// it returns.
    ///
    /// - Returns: ``Submission/pending``, or why it was refused.
    @discardableResult
    package func receiveFrom(_ handle: SocketHandle) -> Submission {
        arm(.receiveFrom, on: handle, atMost: 0)
    }

    // One at a time: the order of several would need a queue.
    private func arm(
        _ kind: SocketState.Armed,
        on handle: SocketHandle,
        atMost limit: UInt32
    ) -> Submission {
        table.withState(handle) { state -> Submission in
            guard state.armed == .nothing else { return .busy }
            if kind == .accept || kind == .receiveFrom, unsafe state.source == nil {
                return .refused(Errno(rawValue: EINVAL))
            }
            if kind == .receive, state.flags.contains(.receivingEnded) { return .shutDown }
            state.armed = kind
            state.armedLimit = limit
            requeue(&state, handle)
            return .pending
        } ?? .staleSocket
    }

    /// Takes what a completed accept has brought, or else accepts the first queued connection now.
    ///
    /// Any thread.
    ///
    /// - Returns: the connection, or what came instead; a closed listener's is `ENOTSOCK`.
    package func nextConnection(on handle: SocketHandle) -> AcceptOutcome {
        var outcome = AcceptOutcome.failed(Errno(rawValue: ENOTSOCK))
        table.withState(handle) { state in
            if let source = unsafe state.source {
                outcome = unsafe source.takeUnretainedValue().next()
            }
        }
        return outcome
    }

    /// Whether a connection is queued on a listening socket, or has been brought.
    ///
    /// Any thread.
    package func hasQueue(on handle: SocketHandle) -> Bool {
        table.withState(handle) { state in
            unsafe state.source.map { unsafe $0._withUnsafeGuaranteedRef { $0.hasQueue } }
                ?? false
        } ?? false
    }

    /// Posts a send.
    ///
    /// The corresponding Winsock function is `WSASend`. Any thread.
    ///
    /// Completes when the kernel has taken all bytes (OV-5), in the order of posting (OV-7).
    ///
    /// - Parameters:
    ///   - bytes: what to send.
    ///   - handle: where to.
    ///   - keep: where the bytes that the kernel does not take at once lie from now on, unchanged
    ///     until the packet comes (OV-6). Must not use the port.
    /// - Returns: ``Submission/completed(bytes:)`` if all is sent: without a packet, if the socket
    ///   skips packets on success; ``Submission/pending`` if a packet with the count of all bytes
    ///   will follow.
    package func send(
        _ bytes: UnsafeRawBufferPointer,
        on handle: SocketHandle,
        keeping keep: (UnsafeRawBufferPointer) -> UnsafeRawBufferPointer
    ) -> Submission {
        table.withState(handle) { state -> Submission in
            guard state.pendingCount < SocketState.pendingLimit else { return .tooMany }
            let count = unsafe state.sendAtOnce(bytes)
            if count == bytes.count {
                if !state.flags.contains(.skipsPacket) {
                    push(unsafe state.packet(of: .send, handle, byteCount: count))
                }
                return .completed(bytes: count)
            }
            if count < 0 { return .refused(Errno(rawValue: CInt(-count))) }
            let operation = Operation()
            _ = operation.begin(.send)
            let rest = unsafe keep(UnsafeRawBufferPointer(rebasing: bytes[count...]))
            unsafe state.enqueue(operation, rest, sent: count)
            return .pending
        } ?? .staleSocket
    }
}
