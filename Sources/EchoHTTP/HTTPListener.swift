import EchoSockets

/// A listening socket that lives as long as its server: it also removes the file of a Unix socket.
final class HTTPListener: Sendable {
    private let listener: Listener

    /// Takes over a listener.
    init(_ listener: consuming Listener) {
        self.listener = listener
    }

    var number: CInt { listener.number }
    var address: SocketAddress { listener.address }
}
