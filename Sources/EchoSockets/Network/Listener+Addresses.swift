import Glibc

/// An address cannot be listened on.
package struct BindError: Error, Sendable {
    /// The address.
    package let address: SocketAddress
    /// The reason.
    package let error: SystemError

    /// Combines an address and a reason.
    package init(address: SocketAddress, error: SystemError) {
        self.address = address
        self.error = error
    }

    // IPv4 or IPv6 is missing, or the address belongs to another machine: nothing done here can
    // make it usable.
    fileprivate var isOfMissingAddress: Bool {
        switch error.errno.rawValue {
        case EAFNOSUPPORT, EADDRNOTAVAIL, ENODEV: true
        case EINVAL: address.lacksInterface
        default: false
        }
    }
}

/// The result of listening on several addresses.
package struct OpenedListeners<Element> {
    /// The listening sockets, in the order of their addresses.
    package let opened: [Element]
    /// The addresses that this machine does not have.
    package let missing: [BindError]
}

extension Listener {
    /// Listens on every address that one endpoint stands for; on none if that fails.
    ///
    /// Addresses that this machine does not have, for example because it lacks IPv4 or IPv6, are
    /// skipped as long as another remains. Those with port 0 share the port that the kernel chooses
    /// for the first, if it is free on all.
    ///
    /// - Parameters:
    ///   - addresses: where.
    ///   - backlog: connections the kernel queues for each.
    ///   - options: the options of their connections.
    ///   - access: who may connect to a Unix socket that has a file.
    ///   - adopt: takes over a socket.
    /// - Returns: what `adopt` made of the sockets.
    /// - Throws: ``BindError`` for the first address that fails.
    package static func open<Element>(
        _ addresses: [SocketAddress],
        backlog: CInt = CInt(SOMAXCONN),
        options: ConnectionOptions = ConnectionOptions(),
        access: SocketFileAccess = SocketFileAccess(),
        adopting adopt: (consuming Listener) -> Element
    ) throws(BindError) -> OpenedListeners<Element> {
        var attempt = 0
        while true {
            do throws(BindError) {
                return try openOnce(addresses, adopt) { (address) throws(SystemError) in
                    try Listener(address, backlog: backlog, options: options, access: access)
                }
            } catch {
                attempt += 1
                let choosesPort = addresses.count > 1 && addresses.contains { $0.port == 0 }
                guard choosesPort, error.error.errno.rawValue == EADDRINUSE, attempt < 16 else {
                    throw error
                }
            }
        }
    }

    private static func openOnce<Element>(
        _ addresses: [SocketAddress],
        _ adopt: (consuming Listener) -> Element,
        _ open: (SocketAddress) throws(SystemError) -> Listener
    ) throws(BindError) -> OpenedListeners<Element> {
        var opened: [Element] = []
        var missing: [BindError] = []
        var chosen: UInt16?
        for address in addresses {
            let wanted = address.port == 0 ? address.with(port: chosen ?? 0) : address
            do throws(SystemError) {
                let listener = try open(wanted)
                chosen = chosen ?? listener.address.port
                opened.append(adopt(listener))
            } catch {
                let failure = BindError(address: wanted, error: error)
                guard failure.isOfMissingAddress else { throw failure }
                missing.append(BindError(address: address, error: error))
            }
        }
        if opened.isEmpty, let first = missing.first { throw first }
        return OpenedListeners(opened: opened, missing: missing)
    }
}
