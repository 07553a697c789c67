import EchoReactor
import EchoSockets
import EchoWinsock

/// A datagram socket that reports network events: its reaction to them.
final class NetworkDatagrams: DatagramMember {
    /// The socket.
    let socket: NetworkDatagramSocket
    private let echo: DatagramEcho

    /// Takes over a socket, whose events are not selected yet.
    ///
    /// - Parameters:
    ///   - endpoint: where it is.
    ///   - loop: the loop whose thread this is.
    ///   - handle: its name in messages.
    ///   - context: settings, counts and log.
    /// - Throws: why it cannot be served.
    init(
        _ endpoint: DatagramEndpoint,
        _ loop: EventLoop,
        as handle: SocketHandle = .none,
        _ context: ServingContext
    ) throws(SystemError) {
        let taken = try endpoint.take()
        echo = DatagramEcho(taken, endpoint, context)
        socket = try NetworkDatagramSocket(loop, adopting: taken, as: handle)
    }

    /// Requests one message when the host's addresses change (AS-13).
    func watchAddresses() {
        try? socket.armAddressListChange()
    }

    /// Datagrams can be received (`FD_READ`).
    ///
    /// Receiving re-enables the event (AS-4), for those that are left.
    func readable() {
        guard !socket.isClosed else { return }
        echo.takeTurn(on: socket.number) { [socket] in socket.receive(into: $0) }
    }

    func end() {
        guard !socket.isClosed else { return }
        echo.drain(socket.number)
        socket.close()
    }
}
