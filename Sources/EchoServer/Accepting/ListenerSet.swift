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
    ) throws(EchoServer.Failure) -> [ListeningSocket] {
        guard !configuration.listen.isEmpty || !configuration.inherited.isEmpty else {
            throw EchoServer.Failure(.invalidConfiguration, "there is no endpoint to listen on")
        }
        var sockets: [ListeningSocket] = []
        let options = configuration.connectionOptions
        for socket in configuration.inherited {
            sockets.append(ListeningSocket(try socket.makeListener(options), name: socket.name))
        }
        let access = try configuration.socketFileAccess
        let backlog = CInt(clamping: configuration.backlog)
        for (endpoint, addresses) in zip(configuration.listen, addresses) {
            do throws(BindError) {
                let listeners = try Listener.open(
                    addresses,
                    backlog: backlog,
                    options: options,
                    access: access
                ) { ListeningSocket($0) }
                sockets += listeners.opened
                log.missing(listeners.missing, of: endpoint.value)
            } catch {
                throw EchoServer.Failure(
                    listeningOn: error.address,
                    error.error,
                    group: configuration.socketGroup
                )
            }
        }
        return sockets
    }
}
