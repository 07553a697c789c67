import EchoSockets
import Glibc

extension SocketProactor {
    /// Carries out what waits to receive, first come first served (OV-7).
    final func serveReceives(
        _ state: inout SocketState,
        _ handle: SocketHandle,
        _ turn: inout Turn,
        isEdge: Bool
    ) {
        var isEdge = isEdge
        while state.isReceiveReady, state.hasPendingReceive {
            if state.isTurnSpent { return requeue(&state, handle) }
            if state.armed != .nothing {
                // A turn has one buffer to lend.
                guard turn.packet == nil else { return requeue(&state, handle) }
                guard serveArmed(&state, handle, &turn, isEdge: isEdge) else { return }
            } else {
                guard let operation = state.receives.first,
                    let (number, count) = attempt(operation, &state, isEdge: isEdge)
                else { return }
                guard let reference = unsafe state.receives.removeFirst() else { return }
                state.pendingCount -= 1
                complete(
                    unsafe Self.finished(reference, state, handle, number: number, count: count),
                    &turn
                )
            }
            isEdge = false
        }
    }

    // The receive that has no object: its data goes to the buffer of the thread at hand.
    private final func serveArmed(
        _ state: inout SocketState,
        _ handle: SocketHandle,
        _ turn: inout Turn,
        isEdge: Bool
    ) -> Bool {
        var kind = OperationKind.readable
        var count = 0
        var lease: UnsafeMutableRawPointer?
        if state.armed == .receive {
            guard let buffer = unsafe turn.buffer, let start = buffer.baseAddress else {
                return false
            }
            kind = .receive
            let room = min(buffer.count, Int(state.armedLimit))
            count = unsafe Self.receive(&state, start, room)
            if count == -Int(EAGAIN) { return false }
            unsafe lease = start
        } else if !isEdge, !Self.pollReadable(&state) {
            return false
        }
        state.armed = .nothing
        state.pendingCount -= 1
        let packet = unsafe Packet(
            key: state.key,
            socket: handle,
            kind: kind,
            byteCount: max(0, count),
            number: count < 0 ? CInt(-count) : 0,
            operation: nil,
            lease: lease
        )
        complete(packet, &turn)
        return true
    }

    /// One attempt at what is first in line: error and count, or `nil` if it must wait on.
    private final func attempt(
        _ operation: Operation,
        _ state: inout SocketState,
        isEdge: Bool
    ) -> (number: CInt, count: Int)? {
        switch operation.kind {
        case .accept:
            return accept(operation, &state)
        case .readable:
            return isEdge || Self.pollReadable(&state) ? (0, 0) : nil
        case .receive, .send, .posted:
            break
        }
        var room = unsafe operation.buffer.count
        var start = unsafe operation.buffer.baseAddress
        let borrows = unsafe start == nil
        if borrows {
            room = max(1, min(buffers.bufferSize, operation.receiveLimit))
            unsafe start = buffers.take()
        }
        guard let start = unsafe start else { return nil }
        let count = unsafe Self.receive(&state, start, room)
        if borrows, count > 0 {
            unsafe operation.lease = start
        } else if borrows {
            unsafe buffers.give(start)
        }
        if count == -Int(EAGAIN) { return nil }
        return count < 0 ? (CInt(-count), 0) : (0, count)
    }

    private final func accept(
        _ operation: Operation,
        _ state: inout SocketState
    ) -> (number: CInt, count: Int)? {
        guard let listener = state.listener else { return (EINVAL, 0) }
        state.spend(0)
        switch listener.accept() {
        case .accepted(let socket, let peer):
            operation.storeAccepted(socket.release(), peer: peer)
            return (0, 0)
        case .nothing:
            state.noteReceiveWouldBlock()
            return nil
        case .lost(let error): return (error.rawValue, 0)
        case .exhausted(let error): return (error.rawValue, 0)
        case .failed(let error): return (error.rawValue, 0)
        }
    }

    /// Asks whether something can be received, when no edge has just said so.
    private static func pollReadable(_ state: inout SocketState) -> Bool {
        var entry = pollfd(fd: state.number, events: Int16(POLLIN), revents: 0)
        let count = transferCall { unsafe Int(poll(&entry, 1, 0)) }
        if count == 0 { state.noteReceiveWouldBlock() }
        return count != 0
    }

    /// Carries out what waits to be sent.
    final func serveSends(
        _ state: inout SocketState,
        _ handle: SocketHandle,
        _ turn: inout Turn
    ) {
        while state.isSendReady, let operation = state.sends.first {
            if state.isTurnSpent { return requeue(&state, handle) }
            let count = unsafe Self.send(&state, operation.unsent)
            if count == -Int(EAGAIN) { return }
            if count >= 0 {
                state.spend(count)
                operation.sent += count
                let rest = unsafe operation.unsent.dropFirst(count)
                unsafe operation.unsent = UnsafeRawBufferPointer(rebasing: rest)
                if unsafe !operation.unsent.isEmpty { return }
            }
            guard let reference = unsafe state.sends.removeFirst() else { return }
            state.pendingCount -= 1
            returnLease(of: operation)
            let number = count < 0 ? CInt(-count) : 0
            complete(
                unsafe Self.finished(reference, state, handle, number: number, count: 0),
                &turn
            )
        }
    }
}
