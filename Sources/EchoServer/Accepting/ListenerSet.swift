import EchoSockets

/// Opens the listening sockets of a configuration: all of them or, with an error, none.
enum ListenerSet {
    /// Takes over the inherited sockets, and binds every address of the endpoints.
    ///
    /// - Parameters:
    ///   - configuration: the inherited sockets, the endpoints and their backlog.
    ///   - addresses: those of each endpoint.
    ///   - log: receives addresses that this machine does not have.
    /// - Returns: the sockets, the inherited ones first.
    /// - Throws: `EchoServer.Failure` that names the endpoint.
    static func open(
        _ configuration: EchoServer.Configuration,
        _ addresses: [[SocketAddress]],
        _ log: ServerLog
    ) throws(EchoServer.Failure) -> ServedSockets {
        guard !configuration.listen.isEmpty || !configuration.inherited.isEmpty else {
            throw EchoServer.Failure(.invalidConfiguration, "there is no endpoint to listen on")
        }
        var opening = Opening(options: configuration.connectionOptions)
        for socket in configuration.inherited { try opening.adopt(socket) }
        let access = try configuration.socketFileAccess
        for (endpoint, addresses) in zip(configuration.listen, addresses) {
            do throws(BindError) {
                let missing =
                    endpoint.value.isDatagram
                    ? try opening.bind(addresses)
                    : try opening.listen(addresses, CInt(clamping: configuration.backlog), access)
                log.missing(missing, of: endpoint.value)
            } catch {
                throw EchoServer.Failure(
                    listeningOn: error.address,
                    error.error,
                    group: configuration.socketGroup,
                    isDatagram: endpoint.value.isDatagram
                )
            }
        }
        return opening.sockets
    }
}

private struct Opening {
    let options: ConnectionOptions
    private(set) var sockets = ServedSockets()
    private let ports = DatagramPorts()

    init(options: ConnectionOptions) {
        self.options = options
    }

    mutating func adopt(_ socket: EchoServer.InheritedSocket) throws(EchoServer.Failure) {
        if socket.isDatagram {
            append(DatagramEndpoint(try socket.makeDatagramSocket(), name: socket.name, ports))
        } else {
            append(ListeningSocket(try socket.makeListener(options), name: socket.name))
        }
    }

    /// - Returns: the addresses that this machine does not have.
    mutating func listen(
        _ addresses: [SocketAddress],
        _ backlog: CInt,
        _ access: SocketFileAccess
    ) throws(BindError) -> [BindError] {
        let listeners = try Listener.open(
            addresses,
            backlog: backlog,
            options: options,
            access: access
        ) { ListeningSocket($0) }
        for socket in listeners.opened { append(socket) }
        return listeners.missing
    }

    /// - Returns: the addresses that this machine does not have.
    mutating func bind(_ addresses: [SocketAddress]) throws(BindError) -> [BindError] {
        let bound = try DatagramSocket.open(addresses) { [ports] in DatagramEndpoint($0, ports) }
        for socket in bound.opened { append(socket) }
        return bound.missing
    }

    private mutating func append(_ socket: ListeningSocket) {
        sockets.listeners.append(socket)
        note(EchoServer.Endpoint(socket.address), socket.name, socket.unavailableOptions)
    }

    private mutating func append(_ socket: DatagramEndpoint) {
        sockets.datagrams.append(socket)
        let endpoint = EchoServer.Endpoint(socket.address, isDatagram: true)
        note(endpoint, socket.name, socket.unavailableOptions)
    }

    private mutating func note(
        _ endpoint: EchoServer.Endpoint,
        _ name: String?,
        _ unavailable: [String]
    ) {
        sockets.started.append(
            ServedSockets.Started(
                endpoint: endpoint,
                name: name,
                unavailableOptions: unavailable
            )
        )
    }
}
