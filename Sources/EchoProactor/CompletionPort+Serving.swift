import EchoWinsock
import Glibc

extension CompletionPort {
    /// Gives a socket its turn: carries out what is pending and possible, within bounds (PR-5).
    ///
    /// Completions are queued under the socket's lock, so that they are in the order in which they
    /// came about (PR-8).
    ///
    /// - Parameters:
    ///   - turn: the socket's place in the queue.
    ///   - buffer: where a receive puts its data.
    /// - Returns: the first completion, which needs no queue: the calling thread handles it.
    func serve(_ turn: Packet, _ buffer: UnsafeMutableRawPointer) -> Packet? {
        let handle = turn.socket
        return table.withState(handle) { state -> Packet? in
            if turn.readiness.isEmpty {
                state.flags.remove(.queued)
            } else if state.flags.contains(.queued) {
                // It waits for its turn already, and has no other, however many edges there are
                // (PR-5).
                state.note(turn.readiness)
                return nil
            }
            state.beginTurn(turn.readiness)
            var first = unsafe receive(&state, turn, buffer)
            while let operation = unsafe state.nextSend() {
                let packet = unsafe state.packet(ofSend: operation, handle)
                if first == nil { first = packet } else { push(packet) }
            }
            if state.isTurnSpent { requeue(&state, handle) }
            return first
        } ?? nil
    }

    /// Carries out the operation that has no object, if it is possible now.
    private func receive(
        _ state: inout SocketState,
        _ turn: Packet,
        _ buffer: UnsafeMutableRawPointer
    ) -> Packet? {
        guard state.isReceiveReady else { return nil }
        var count = 0
        switch state.armed {
        case .nothing: return nil
        case .receive:
            count = unsafe state.receive(buffer, min(receiveBufferSize, Int(state.armedLimit)))
            if count == -TransferError.wouldBlock { return nil }
        case .readable:
            guard turn.readiness.contains(.input) || state.pollReadable() else { return nil }
        case .accept, .receiveFrom:
            guard let brought = state.bring() else { return nil }
            count = brought
        }
        guard let kind = state.disarm() else { return nil }
        return unsafe state.packet(
            of: kind,
            turn.socket,
            byteCount: max(0, count),
            number: CInt(max(0, -count)),
            lease: kind == .receive ? buffer : nil
        )
    }

    /// Has a socket wait for another turn, if there is something to do for it (PR-5).
    func requeue(_ state: inout SocketState, _ handle: SocketHandle) {
        guard state.hasWork else { return }
        if state.flags.insert(.queued).inserted {
            push(Packet(turnOf: handle), isSpent: state.isTurnSpent)
        }
    }
}

extension SocketState {
    /// Takes the operation out that has no object.
    mutating func disarm() -> OperationKind? {
        defer { armed = .nothing }
        switch armed {
        case .nothing: return nil
        case .receive: return .receive
        case .readable: return .readable
        case .accept: return .accept
        case .receiveFrom: return .receiveFrom
        }
    }

    /// Asks whether something can be received, when no edge has just said so.
    mutating func pollReadable() -> Bool {
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        let count = unsafe poll(&entry, 1, 0)
        if count == 0 { noteReceiveWouldBlock() }
        return count != 0
    }

    /// Accepts a connection or receives datagrams, and leaves them with the source; `nil` if there
    /// are none.
    mutating func bring() -> Int? {
        guard let source = unsafe source else { return nil }
        return unsafe source._withUnsafeGuaranteedRef { $0.bring(&self) }
    }

    /// A packet of this socket, which counts until a worker has dealt with it.
    mutating func packet(
        of kind: OperationKind,
        _ socket: SocketHandle,
        byteCount: Int = 0,
        number: CInt = 0,
        lease: UnsafeMutableRawPointer? = nil
    ) -> Packet {
        packets += 1
        return unsafe Packet(
            of: kind,
            on: socket,
            owner,
            byteCount: byteCount,
            number: number,
            lease: lease
        )
    }

    /// The packet of a send that has ended, whose reference passes to it.
    mutating func packet(ofSend operation: Unmanaged<Operation>, _ socket: SocketHandle) -> Packet {
        defer { unsafe operation.release() }
        return unsafe operation._withUnsafeGuaranteedRef { operation in
            unsafe packet(
                of: .send,
                socket,
                byteCount: operation.sentCount,
                number: operation.errorNumber
            )
        }
    }
}
