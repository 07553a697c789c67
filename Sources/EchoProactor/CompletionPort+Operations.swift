/// Operations without an object: what a server needs most, and nothing on the heap for it.
extension CompletionPort {
    /// Posts a receive into the buffer of the worker that will handle it.
    ///
    /// Any thread.
    ///
    /// While it waits it costs nothing. Its packet carries the bytes (``Packet/bytes``), valid
    /// until that worker dequeues again or for as long as they are kept
    /// (``Worker/keep(_:)``). Never completes before it returns.
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

    /// Sends; what the kernel does not take at once is copied and sent later.
    ///
    /// Any thread.
    ///
    /// - Returns: ``Submission/completed(bytes:)`` if all is sent: without a packet, if the socket
    ///   skips packets on success; ``Submission/pending`` if a packet with the count of all bytes
    ///   will follow.
    package func send(_ bytes: UnsafeRawBufferPointer, on handle: SocketHandle) -> Submission {
        unsafe sendAnonymously(bytes, on: handle)
    }

    private func arm(
        _ kind: SocketState.Armed,
        on handle: SocketHandle,
        atMost limit: UInt32
    ) -> Submission {
        table.withState(handle) { state -> Submission in
            // One at a time without an object; the order of several would need a queue.
            guard !state.hasPendingReceive else { return .busy }
            state.armed = kind
            state.armedLimit = limit
            state.pendingCount += 1
            if state.isReceiveReady { requeue(&state, handle) }
            return .pending
        } ?? .staleSocket
    }

    /// Whether the port has been closed.
    var isAbandoned: Bool { monitor.withLock { isClosed } }
}
