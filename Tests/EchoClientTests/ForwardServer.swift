import EchoSockets
import EchoTestSupport

/// A server that speaks first: it sends a text to one client and ends the connection.
enum ForwardServer {
    /// Starts it.
    ///
    /// - Returns: where it listens, and what to hold on to until it has served.
    static func start(sending text: String) throws -> (Endpoint, any Sendable) {
        let owner = Owner(try Listener(.loopback(port: 0)))
        try Thread(name: "forward", stackSize: testStackSize) {
            guard isReadable(owner.listener.number),
                case .accepted(let socket, _) = owner.listener.accept()
            else { return }
            _ = unsafe Array(text.utf8).withUnsafeBytes { unsafe socket.send($0) }
            socket.shutdown(.sending)
            _ = isReadable(socket.number)
        }.detach()
        let address = owner.listener.address
        return (.tcp(host: address.host, port: address.port ?? 0), owner)
    }

    private final class Owner: Sendable {
        let listener: Listener

        init(_ listener: consuming Listener) {
            self.listener = listener
        }
    }
}
