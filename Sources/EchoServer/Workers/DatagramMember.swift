import EchoSockets
import EchoWinsock

/// A datagram socket among what a worker serves.
///
/// Confined to the worker's thread.
protocol DatagramMember: AnyObject {
    /// Answers what is queued, and closes the socket.
    func end()
}

/// A datagram socket whose model drives it by itself.
final class DatagramService: DatagramMember {
    /// What answers.
    let echo: DatagramEcho
    private var socket: DatagramSocket?
    /// The descriptor, for waiting on it; -1 once closed.
    private(set) var number: CInt
    private let willClose: (CInt) -> Void

    /// Takes over a socket.
    ///
    /// - Parameters:
    ///   - endpoint: where it is.
    ///   - context: settings, counts and log.
    ///   - willClose: called before the socket is closed, with its descriptor.
    /// - Throws: `ENOTSOCK` if it has been closed.
    init(
        _ endpoint: DatagramEndpoint,
        _ context: ServingContext,
        willClose: @escaping (CInt) -> Void = { _ in }
    ) throws(SystemError) {
        self.willClose = willClose
        let socket = try endpoint.take()
        echo = DatagramEcho(socket, endpoint, context)
        number = socket.number
        self.socket = consume socket
    }

    /// There is something to receive: receives a batch and answers it.
    func readable() {
        if number >= 0 { echo.takeTurn(on: number) { $0.receiveSome(from: number) } }
    }

    func end() {
        guard number >= 0 else { return }
        echo.drain(number)
        willClose(number)
        number = -1
        socket = nil
    }
}

extension SocketHandle {
    // A generation that no table comes to: each would have to be used 2 to the power of 32 times.
    private static let datagramGeneration = UInt32.max - 1

    /// The name of a datagram socket among those of connections.
    ///
    /// - Parameter index: its place among the worker's datagram sockets.
    init(datagrams index: Int) {
        self.init(slot: UInt32(index), generation: Self.datagramGeneration)
    }

    /// The place among the worker's datagram sockets; `nil` if it is a connection's name.
    var datagramIndex: Int? { generation == Self.datagramGeneration ? Int(slot) : nil }
}
