import EchoSockets

/// Logs when the host's addresses change while the server listens on all of them, for connections
/// or for datagrams: clients that can reach it may have changed as well.
final class AddressMonitor: Sendable {
    private let routes: RouteSocket
    private let log: ServerLog

    /// A monitor, if one of the sockets listens on all addresses and the kernel reports changes.
    init?(_ sockets: ServedSockets, _ log: ServerLog) {
        guard sockets.onAllAddresses != nil, let routes = try? RouteSocket() else { return nil }
        self.routes = routes
        self.log = log
    }

    /// The descriptor that becomes readable when there are changes.
    var number: CInt { routes.number }

    /// Takes the changes.
    func report() {
        if routes.takeChanges().contains(.addresses) { log.addressesChanged() }
    }
}
