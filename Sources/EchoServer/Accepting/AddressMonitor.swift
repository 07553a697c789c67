import EchoSockets

/// Tells the log when the addresses of the host change, while the server listens on all of them:
/// who can reach it may have changed with them.
final class AddressMonitor {
    private let routes: RouteSocket
    private let log: ServerLog

    /// A monitor, if one of the sockets listens on all addresses and the kernel gives news.
    init?(_ sockets: [ListeningSocket], _ log: ServerLog) {
        guard sockets.contains(where: { $0.address.isWildcard }), let routes = try? RouteSocket()
        else { return nil }
        self.routes = routes
        self.log = log
    }

    /// The descriptor that becomes readable when there is news.
    var number: CInt { routes.number }

    /// Takes the news.
    func report() {
        if routes.takeChanges().contains(.addresses) { log.addressesChanged() }
    }
}
