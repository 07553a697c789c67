import EchoSockets
import Glibc

/// The thread of a datagram socket: receives and sends back, and blocks in `recvmsg` meanwhile,
/// until a shutdown.
struct BlockingDatagrams: ~Copyable {
    private let socket: DatagramSocket
    private let echo: DatagramEcho
    private let control: ClientThreads.Control

    /// Takes over a socket.
    ///
    /// - Parameters:
    ///   - endpoint: where it is.
    ///   - context: settings, counts and log.
    ///   - control: informs the thread of a shutdown.
    /// - Throws: why it cannot be served.
    init(
        _ endpoint: DatagramEndpoint,
        _ context: ServingContext,
        _ control: ClientThreads.Control
    ) throws(SystemError) {
        let socket = try endpoint.take()
        try socket.descriptor.setNonBlocking(false)
        echo = DatagramEcho(socket, endpoint, context)
        self.socket = socket
        self.control = control
    }

    /// Serves until the shutdown.
    consuming func run() {
        let number = socket.number
        while control.acknowledge() == nil {
            // Memory is for those that come.
            guard echo.batch.hasBuffers || waitForFirst() else { continue }
            echo.completed(echo.batch.receiveInterruptible(from: number), on: number)
        }
        try? socket.descriptor.setNonBlocking(true)
        echo.drain(number)
    }

    private func waitForFirst() -> Bool {
        var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, -1) > 0
    }
}
