import EchoReactor
import EchoSockets

/// A connection whose socket tells of network events, by message or by event object; what the
/// models of both kinds do when they hear of one.
class NetworkConnection: Connection {
    /// The socket.
    final let socket: NetworkSocket
    private final let worker: WorkerState
    private final let leave: (NetworkConnection) -> Void

    /// Takes over a socket.
    ///
    /// - Parameters:
    ///   - peer: who is at the other end.
    ///   - socket: the socket.
    ///   - worker: the thread that serves it.
    ///   - leave: called when the connection has closed.
    init(
        _ peer: Peer,
        _ socket: NetworkSocket,
        _ worker: WorkerState,
        leave: @escaping (NetworkConnection) -> Void
    ) {
        self.socket = socket
        self.worker = worker
        self.leave = leave
        super.init(peer: peer, at: .coarse)
    }

    /// Bytes can be received (`FD_READ`).
    ///
    /// - Returns: what the rules demand now.
    final func readable() -> EchoState.Demand {
        // Above the high-water mark they stay where they are. The event is not told again until
        // they are received: see `apply`.
        guard demand.contains(.receive) else { return demand }
        worker.refreshTime()
        return session.readable(socket, worker)
    }

    /// There is room to send again (`FD_WRITE`).
    ///
    /// - Returns: what the rules demand now.
    final func writable() -> EchoState.Demand {
        guard demand.contains(.send) else { return demand }
        worker.refreshTime()
        return session.writable(socket, worker)
    }

    /// The peer has closed or reset the connection (`FD_CLOSE`).
    ///
    /// What was received before is read first (AS-8, SB-10).
    ///
    /// - Returns: what the rules demand now.
    final func ended() -> EchoState.Demand {
        var demand = self.demand
        // Each turn makes progress: bytes, or the end.
        for _ in 0..<64 where demand.contains(.receive) {
            worker.refreshTime()
            demand = session.readable(socket, worker)
        }
        return demand
    }

    override final func isReady(for demand: EchoState.Demand) -> Bool {
        if demand.contains(.receive), socket.hasReadAhead { return true }
        return socket.withSocket { $0.isReady(for: demand) } == true
    }

    override final func apply(_ wanted: EchoState.Demand) {
        guard wanted != demand else { return }
        let before = demand
        demand = wanted.subtracting(.shutdownSend)
        if wanted.contains(.close) { return close() }
        if wanted.contains(.shutdownSend) { socket.shutdown(.sending) }
        // Receiving re-enables the event that was told meanwhile and ignored (AS-4).
        if wanted.contains(.receive), !before.contains(.receive) { apply(readable()) }
    }

    private final func close() {
        if session.state.resetsOnClose { socket.reset() } else { socket.close() }
        leave(self)
    }
}

extension NetworkSocket: ByteStream {
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        unsafe receive(into: buffer, peeking: false)
    }

    func send(_ buffer: UnsafeRawBufferPointer) -> Transfer {
        unsafe send(buffer, flags: 0)
    }
}
