import EchoSockets

/// The sockets of a server: those that connections are accepted from, and those that datagrams come
/// to.
struct ServedSockets: Sendable {
    /// Where it listens for connections.
    var listeners: [ListeningSocket] = []
    /// Where datagrams come to.
    var datagrams: [DatagramEndpoint] = []

    /// What there is to be said of each: inherited ones first, then in the order of the
    /// configuration.
    var started: [Started] = []

    /// One socket, for the log.
    struct Started: Sendable {
        let endpoint: EchoServer.Endpoint
        /// What the service manager calls it, if it is inherited.
        let name: String?
        /// The names of the options that it does not support.
        let unavailableOptions: [String]
    }

    /// The descriptor of the first socket that is on all addresses of the host, which is to tell
    /// when they change; `nil` if there is none.
    var onAllAddresses: CInt? {
        listeners.first { $0.address.isWildcard }?.number
            ?? datagrams.first { $0.address.isWildcard }?.number
    }

    /// Closes those that no model has taken.
    func close() {
        for socket in listeners { socket.close() }
        for socket in datagrams { socket.close() }
    }
}
