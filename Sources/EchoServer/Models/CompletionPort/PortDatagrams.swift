import EchoProactor
import EchoSockets
import EchoWinsock

/// A datagram socket on a completion port: a receive that is posted ahead (`WSARecvFrom`), and
/// posted again by the worker that has sent back what it brought, or has taken its failure.
///
/// Any thread; one at a time has the batch, for the next receive is posted last.
final class PortDatagrams: Sendable {
    private struct State {
        let echo: DatagramEcho
        var socket = SocketHandle.none
        var number: CInt = -1
        var isPosted = false
        var isDraining = false
    }

    private let state: Locked<HandedOver<State>>

    /// Takes over a socket; ``begin(_:)`` posts the first receive.
    ///
    /// - Parameters:
    ///   - endpoint: where it is.
    ///   - port: where its packets go.
    ///   - context: settings, counts and log.
    /// - Throws: why it cannot be served.
    init(
        _ endpoint: DatagramEndpoint,
        _ port: CompletionPort,
        _ context: ServingContext
    ) throws(SystemError) {
        let taken = try endpoint.take()
        let number = taken.number
        let echo = DatagramEcho(taken, endpoint, context)
        let batch = echo.batch
        state = Locked(HandedOver(State(echo: echo)))
        let socket = try port.adopt(taken, receivingInto: batch, owner: self)
        state.withLock { ($0.value.socket, $0.value.number) = (socket, number) }
    }

    /// Whether it has not been closed yet.
    var isOpen: Bool { state.withLock { $0.value.number >= 0 } }

    /// Posts the first receive.
    func begin(_ port: CompletionPort) {
        state.withLock { Self.post(&$0.value, port) }
    }

    private static func post(_ state: inout State, _ port: CompletionPort) {
        guard state.number >= 0, !state.isPosted, !state.isDraining else { return }
        if case .pending = port.receiveFrom(state.socket) { state.isPosted = true }
    }

    /// Takes a packet of its own.
    ///
    /// - Returns: whether it has closed.
    func completed(_ packet: Packet, _ port: CompletionPort) -> Bool {
        state.withLock { box in
            let number = box.value.number
            guard number >= 0 else { return false }
            box.value.isPosted = false
            let count = packet.error.map { -Int($0.rawValue) } ?? packet.byteCount
            box.value.echo.completed(count, on: number)
            if box.value.isDraining { return Self.end(&box.value, port) }
            Self.post(&box.value, port)
            return false
        }
    }

    /// Answers what is queued, and closes the socket.
    ///
    /// - Returns: whether it has closed; not if a packet is on its way, which may bring datagrams.
    func drain(_ port: CompletionPort) -> Bool {
        state.withLock { box in
            guard box.value.number >= 0, !box.value.isDraining else { return false }
            box.value.isDraining = true
            guard box.value.isPosted else { return Self.end(&box.value, port) }
            // One that waits is called back.
            port.cancelAll(on: box.value.socket)
            return false
        }
    }

    private static func end(_ state: inout State, _ port: CompletionPort) -> Bool {
        state.echo.drain(state.number)
        state.number = -1
        port.close(state.socket)
        return true
    }
}
