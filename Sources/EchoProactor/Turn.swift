/// What a socket's turn may use, and what comes of it.
@safe struct Turn {
    /// Where a receive without a buffer puts its data; `nil` if the turn has none to lend.
    let buffer: UnsafeMutableRawBufferPointer?
    /// The first completion, for the thread that carries the turn out: it needs no queue.
    var packet: Packet?

    /// A turn whose completions are all indicated the usual way.
    static var lendingNothing: Turn { unsafe Turn(buffer: nil) }

    init(buffer: UnsafeMutableRawBufferPointer?) {
        unsafe self.buffer = buffer
    }
}

extension SocketProactor {
    /// Gives a socket its turn: carries out what is pending and possible, within bounds (PR-5).
    final func serve(_ entry: Packet, _ turn: inout Turn) {
        let handle = entry.socket
        _ = table.withState(handle) { state in
            state.flags.remove(.queued)
            state.note(entry.readiness)
            state.beginTurn()
            serveReceives(&state, handle, &turn, isEdge: entry.readiness.contains(.input))
            serveSends(&state, handle, &turn)
        }
    }

    /// Indicates a completion, to the thread at hand if it has none yet.
    final func complete(_ packet: Packet, _ turn: inout Turn) {
        if unsafe turn.buffer != nil, turn.packet == nil {
            turn.packet = packet
        } else {
            deliver(packet)
        }
    }

    /// Lets the others go first.
    final func requeue(_ state: inout SocketState, _ handle: SocketHandle) {
        if state.flags.insert(.queued).inserted {
            enqueueTurn(Packet(turnOf: handle))
        }
    }
}
