import Glibc
import Sockets

/// Opens the listening sockets of a configuration: all of them or, with an error, none.
enum ListenerSet {
    /// Takes the inherited sockets, and binds every address that the endpoints stand for.
    ///
    /// - Throws: `EchoServer.Failure` that names the endpoint.
    static func open(_ configuration: EchoServer.Configuration) throws -> [ListeningSocket] {
        guard !configuration.listen.isEmpty || !configuration.inherited.isEmpty else {
            throw EchoServer.Failure(.invalidConfiguration, "there is no endpoint to listen on")
        }
        var sockets: [ListeningSocket] = []
        for socket in configuration.inherited {
            sockets.append(ListeningSocket(try socket.makeListener(), name: socket.name))
        }
        for endpoint in configuration.listen {
            sockets += try open(endpoint.value, backlog: CInt(clamping: configuration.backlog))
        }
        return sockets
    }

    private static func open(_ endpoint: Endpoint, backlog: CInt) throws -> [ListeningSocket] {
        let addresses: [SocketAddress]
        do {
            addresses = try endpoint.resolve()
        } catch {
            throw EchoServer.Failure(.unknownHost, "cannot listen on \(endpoint): \(error)")
        }
        // Several addresses share the port the kernel chose for the first, if it is free on all.
        var attempt = 0
        while true {
            do {
                return try open(addresses, backlog)
            } catch {
                attempt += 1
                let choosesPort = addresses.first?.port == 0 && addresses.count > 1
                guard choosesPort, error.error.errno.rawValue == EADDRINUSE, attempt < 16 else {
                    throw EchoServer.Failure(listeningOn: error.address, error.error)
                }
            }
        }
    }

    private struct BindError: Error {
        let address: SocketAddress
        let error: SystemError
    }

    private static func open(
        _ addresses: [SocketAddress],
        _ backlog: CInt
    ) throws(BindError) -> [ListeningSocket] {
        var sockets: [ListeningSocket] = []
        for address in addresses {
            let chosen = sockets.first?.address.port
            let wanted = address.port == 0 ? address.with(port: chosen ?? 0) : address
            do {
                sockets.append(ListeningSocket(try Listener(wanted, backlog: backlog)))
            } catch {
                // A machine without IPv6 still has a localhost.
                let missing = [EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.errno.rawValue)
                if missing, !sockets.isEmpty { continue }
                throw BindError(address: wanted, error: error)
            }
        }
        return sockets
    }
}
