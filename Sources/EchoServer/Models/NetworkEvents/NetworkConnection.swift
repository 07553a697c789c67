import EchoReactor
import EchoSockets
import EchoWinsock
import Glibc

/// A thread whose sockets report network events, by message or by event object.
class NetworkWorker {
    let loop: EventLoop
    final let core: WorkerCore<NetworkConnection>

    init(_ loop: EventLoop, _ core: WorkerCore<NetworkConnection>) {
        self.loop = loop
        self.core = core
    }

    /// Adopts the socket of a connection and selects its events, or resets it.
    ///
    /// - Parameters:
    ///   - arrival: the connection.
    ///   - select: selects the socket's events.
    /// - Returns: whether it is served.
    @discardableResult
    final func begin(
        _ arrival: Arrival,
        select: (NetworkSocket) throws(SystemError) -> Void
    ) -> Bool {
        do throws(SystemError) {
            try core.add { (handle) throws(SystemError) in
                guard let accepted = arrival.take() else {
                    throw SystemError(call: "accept", errno: .notASocket)
                }
                let socket = try NetworkSocket(loop, adopting: accepted, as: handle)
                do throws(SystemError) {
                    try select(socket)
                } catch {
                    socket.reset()
                    throw error
                }
                return NetworkConnection(arrival.peer, socket, self)
            }
            return true
        } catch {
            core.refuse(arrival, error.errno)
            return false
        }
    }

    /// Releases a closed connection.
    func leave(_ connection: NetworkConnection) {
        core.remove(connection)
    }
}

/// A connection of a ``NetworkWorker``: its reactions to its socket's events.
final class NetworkConnection: Connection {
    /// The socket.
    let socket: NetworkSocket
    // They keep each other alive while the connection is open.
    private let worker: NetworkWorker

    init(_ peer: Peer, _ socket: NetworkSocket, _ worker: NetworkWorker) {
        self.socket = socket
        self.worker = worker
        super.init(peer: peer, at: .coarse)
    }

    /// Whether it has closed, so that its worker releases it.
    var isClosed: Bool { demand == .close }

    /// Bytes can be received (`FD_READ`).
    ///
    /// Above the high-water mark they stay where they are. The event is not reported again until
    /// they are received, when there is room again (AS-4).
    func readable(_ state: WorkerState) {
        guard demand.contains(.receive) else { return }
        perform(readable(socket, state), state)
    }

    /// There is room to send again (`FD_WRITE`).
    func writable(_ state: WorkerState) {
        guard demand.contains(.send) else { return }
        perform(writable(socket, state), state)
    }

    /// The peer has closed or reset the connection (`FD_CLOSE`).
    ///
    /// What was received before is read first (AS-8, SB-10).
    func ended(_ state: WorkerState) {
        // Each turn makes progress: bytes, or the end.
        for _ in 0..<64 where demand.contains(.receive) { readable(state) }
    }

    override func isReady(for demand: EchoState.Demand, after silence: Duration) -> Bool {
        socket.ready(for: demand.pollEvents) != 0 || socket.hasSent(within: silence)
    }

    override func apply(_ wanted: EchoState.Demand) {
        perform(wanted, worker.core.state)
        if isClosed { worker.leave(self) }
    }

    private func perform(_ wanted: EchoState.Demand, _ worker: WorkerState) {
        guard wanted != demand else { return }
        let before = demand
        demand = wanted.subtracting(.shutdownSend)
        if wanted.contains(.close) { return close() }
        if wanted.contains(.shutdownSend) { socket.shutdown(.sending) }
        // Receiving re-enables the event that was reported meanwhile and ignored (AS-4).
        if wanted.contains(.receive), !before.contains(.receive) { readable(worker) }
    }

    private func close() {
        if state.resetsOnClose { socket.reset() } else { socket.close() }
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
