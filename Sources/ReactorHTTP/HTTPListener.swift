import Glibc
import Sockets

/// A listening socket that lives as long as its server: it also removes the file of a Unix socket.
final class HTTPListener: Sendable {
    private let listener: Listener

    private init(_ listener: consuming Listener) {
        self.listener = listener
    }

    var number: CInt { listener.number }
    var address: SocketAddress { listener.address }

    // Several addresses share the port the kernel chose for the first, if it is free on all.
    static func open(
        _ wanted: [SocketAddress]
    ) throws(HTTPServer.BindError) -> [HTTPListener] {
        var attempt = 0
        while true {
            do {
                return try openOnce(wanted)
            } catch {
                attempt += 1
                let choosesPort = wanted.first?.port == 0 && wanted.count > 1
                guard choosesPort, error.error.errno.rawValue == EADDRINUSE, attempt < 16 else {
                    throw error
                }
            }
        }
    }

    private static func openOnce(
        _ wanted: [SocketAddress]
    ) throws(HTTPServer.BindError) -> [HTTPListener] {
        var opened: [HTTPListener] = []
        for address in wanted {
            let chosen = opened.first?.address.port
            let address = address.port == 0 ? address.with(port: chosen ?? 0) : address
            do {
                opened.append(HTTPListener(try Listener(address)))
            } catch {
                // A machine without IPv6 still has a localhost.
                let missing = [EAFNOSUPPORT, EADDRNOTAVAIL].contains(error.errno.rawValue)
                if missing, !opened.isEmpty { continue }
                throw HTTPServer.BindError(address: address, error: error)
            }
        }
        return opened
    }
}
