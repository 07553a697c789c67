import EchoSockets
package import EchoWinsock

extension CompletionPort {
    /// Closes the port: every thread that waits for a packet, now or later, is told so (CP-4).
    ///
    /// Sockets stay open until they are closed or the port goes away; to lose no packet, close them
    /// and dequeue what is left first (CP-9). The corresponding Winsock function is `CloseHandle`.
    package func close() {
        monitor.lock()
        guarded { memory in
            memory.isClosed = true
            while !memory.parked.isEmpty { Self.unpark(&memory) }
        }
        unlockAndWake(unsafe memory.pointee.polling > 0)
    }

    /// Closes a socket.
    ///
    /// Each pending operation is indicated as failed with `ECANCELED`, exactly once (OV-8); those
    /// packets still lead to the owner, but the handle is stale by then. The corresponding Winsock
    /// function is `closesocket`. Any thread.
    ///
    /// - Parameters:
    ///   - handle: the socket.
    ///   - later: whether the kernel may be told later, when many are closed at once: by the
    ///     calling thread, which must wait for completions next.
    /// - Returns: whether the handle was not stale.
    @discardableResult
    package func close(_ handle: SocketHandle, later: Bool = false) -> Bool {
        var former: SocketState?
        var isLast = false
        table.end(handle) { state in
            abortAll(&state, handle)
            former = state
            unsafe state.source = nil
            isLast = state.packets == 0
            state.end()
        }
        guard let former else { return false }
        dispose(former, later: later)
        if isLast { unsafe forget(handle.slot, former.owner) }
        return true
    }

    /// Cancels every pending operation of a socket (OV-9).
    ///
    /// The corresponding Winsock function is `CancelIoEx`. Any thread.
    ///
    /// - Returns: whether there was one (otherwise `ERROR_NOT_FOUND`).
    @discardableResult
    package func cancelAll(on handle: SocketHandle) -> Bool {
        table.withState(handle) { abortAll(&$0, handle) } ?? false
    }

    @discardableResult
    private func abortAll(_ state: inout SocketState, _ handle: SocketHandle) -> Bool {
        var found = false
        let number = CInt(TransferError.cancelled)
        if let kind = state.disarm() {
            found = true
            push(unsafe state.packet(of: kind, handle, number: number))
        }
        while let operation = unsafe state.nextAborted() {
            found = true
            push(unsafe state.packet(ofSend: operation, handle))
        }
        return found
    }

    private func dispose(_ state: SocketState, later: Bool) {
        // Closing takes a socket of ours out of epoll; what others may also hold must be taken
        // out by hand (PR-8, PF-10).
        if state.flags.contains(.borrowed) {
            epoll.remove(state.number)
            unsafe state.source?.release()
        } else if later {
            closing.close(Descriptor(adopting: state.number))
        } else {
            _ = Descriptor(adopting: state.number)
        }
    }

    /// Lets a socket's owner go, and its place.
    func forget(_ slot: UInt32, _ owner: Unmanaged<AnyObject>?) {
        table.release(slot)
        unsafe owner?.release()
    }

    /// A worker has dealt with a packet: it may have been the last of a closed socket.
    func settle(_ packet: Packet) {
        guard let slot = table.slot(packet.socket.slot) else { return }
        let isLast = slot.withState { state in
            state.packets -= 1
            return state.packets == 0 && !state.isOpen
        }
        if isLast { unsafe forget(packet.socket.slot, packet.owner) }
    }

    /// Lets go of what is left of a socket when the port goes away.
    static func discard(_ state: inout SocketState) {
        while let operation = unsafe state.nextAborted() { unsafe operation.release() }
        if state.isOpen || state.packets > 0 { unsafe state.owner?.release() }
        unsafe state.source?.release()
        if state.isOpen, !state.flags.contains(.borrowed) {
            _ = Descriptor(adopting: state.number)
        }
    }
}
