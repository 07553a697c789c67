import EchoSockets
import Glibc

/// What is left of a socket when its handle has become stale.
struct EndedSocket {
    let number: CInt
    let isBorrowed: Bool
    let listener: ListenerReference?
}

extension SocketProactor {
    /// Closes a socket.
    ///
    /// Each pending operation is indicated as failed with `ECANCELED`, exactly once (OV-8); those
    /// packets still carry the key, and the handle, which is stale by then. The corresponding
    /// Winsock function is `closesocket`. Any thread.
    ///
    /// - Parameters:
    ///   - handle: the socket.
    ///   - later: whether the kernel may be told later, when many are closed at once: by the
    ///     calling thread, which must wait for completions next.
    /// - Returns: whether the handle was not stale.
    @discardableResult
    package final func close(_ handle: SocketHandle, later: Bool = false) -> Bool {
        let ended = table.withState(handle) { state in
            Self.end(&state, handle) { deliver($0) }
        }
        guard let ended else { return false }
        dispose(ended, later: later)
        table.release(handle)
        return true
    }

    /// Cancels an operation: it is indicated as failed with `ECANCELED`.
    ///
    /// The corresponding Winsock function is `CancelIoEx`. Any thread.
    ///
    /// - Returns: whether it was pending (otherwise `ERROR_NOT_FOUND`).
    @discardableResult
    package final func cancel(_ operation: Operation, on handle: SocketHandle) -> Bool {
        table.withState(handle) { state in
            let found = unsafe state.receives.remove(operation) ?? state.sends.remove(operation)
            guard let found = unsafe found else { return false }
            state.pendingCount -= 1
            deliver(unsafe Self.aborted(found, &state, handle))
            return true
        } ?? false
    }

    /// Cancels every pending operation of a socket (OV-9).
    ///
    /// Any thread.
    ///
    /// - Returns: how many there were.
    @discardableResult
    package final func cancelAll(on handle: SocketHandle) -> Int {
        table.withState(handle) { state in
            var count = 0
            Self.abortAll(&state, handle) { packet in
                count += 1
                deliver(packet)
            }
            return count
        } ?? 0
    }

    static func end(
        _ state: inout SocketState,
        _ handle: SocketHandle,
        _ indicate: (Packet) -> Void
    ) -> EndedSocket {
        let ended = EndedSocket(
            number: state.number,
            isBorrowed: state.flags.contains(.borrowed),
            listener: state.listener
        )
        // Stale before the first indication: who gets it can tell.
        state.generation &+= 1
        abortAll(&state, handle, indicate)
        state.flags = []
        state.number = -1
        state.listener = nil
        return ended
    }

    final func dispose(_ ended: EndedSocket, later: Bool = false) {
        // Closing takes a socket of ours out of epoll; what others may also hold must be taken
        // out by hand (PR-8, PF-10).
        if ended.isBorrowed {
            epoll.remove(ended.number)
            ended.listener?.close()
        } else if later {
            closing.close(Descriptor(adopting: ended.number))
        } else {
            _ = Descriptor(adopting: ended.number)
        }
    }

    private static func abortAll(
        _ state: inout SocketState,
        _ handle: SocketHandle,
        _ indicate: (Packet) -> Void
    ) {
        if state.armed != .nothing {
            let kind: OperationKind = state.armed == .receive ? .receive : .readable
            state.armed = .nothing
            indicate(Packet(key: state.key, socket: handle, kind: kind, number: ECANCELED))
        }
        while let operation = unsafe state.receives.removeFirst() {
            indicate(unsafe aborted(operation, &state, handle))
        }
        while let operation = unsafe state.sends.removeFirst() {
            indicate(unsafe aborted(operation, &state, handle))
        }
        state.pendingCount = 0
    }

    private static func aborted(
        _ reference: Unmanaged<Operation>,
        _ state: inout SocketState,
        _ handle: SocketHandle
    ) -> Packet {
        unsafe Self.finished(reference, state, handle, number: ECANCELED, count: 0)
    }

    /// Ends an operation and makes the packet that tells of it.
    static func finished(
        _ reference: Unmanaged<Operation>,
        _ state: SocketState,
        _ handle: SocketHandle,
        number: CInt,
        count: Int
    ) -> Packet {
        let operation = unsafe reference.takeUnretainedValue()
        let bytes = operation.kind == .send ? operation.sent : count
        operation.finish(number: number, count: bytes)
        return unsafe Packet(
            key: state.key,
            socket: handle,
            kind: operation.kind,
            byteCount: bytes,
            number: number,
            operation: reference,
            lease: nil
        )
    }
}
