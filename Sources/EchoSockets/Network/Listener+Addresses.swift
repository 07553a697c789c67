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
        try addresses.open { (address) throws(SystemError) in
            let listener = try Listener(
                address,
                backlog: backlog,
                options: options,
                access: access
            )
            let port = listener.address.port
            return (adopt(listener), port)
        }
    }
}

extension DatagramSocket {
    /// Binds to every address that one endpoint stands for; to none if that fails.
    ///
    /// As ``Listener/open(_:backlog:options:access:adopting:)``.
    ///
    /// - Parameters:
    ///   - addresses: where.
    ///   - adopt: takes over a socket.
    /// - Returns: what `adopt` made of the sockets.
    /// - Throws: ``BindError`` for the first address that fails.
    package static func open<Element>(
        _ addresses: [SocketAddress],
        adopting adopt: (consuming DatagramSocket) -> Element
    ) throws(BindError) -> OpenedListeners<Element> {
        try addresses.open { (address) throws(SystemError) in
            let socket = try DatagramSocket(address)
            let port = socket.address.port
            return (adopt(socket), port)
        }
    }
}

extension [SocketAddress] {
    fileprivate func open<Opened>(
        _ openOne: (SocketAddress) throws(SystemError) -> (Opened, port: UInt16?)
    ) throws(BindError) -> OpenedListeners<Opened> {
        var attempt = 0
        while true {
            do throws(BindError) {
                return try openOnce(openOne)
            } catch {
                attempt += 1
                let choosesPort = count > 1 && contains { $0.port == 0 }
                guard choosesPort, error.error.errno.rawValue == EADDRINUSE, attempt < 16 else {
                    throw error
                }
            }
        }
    }

    private func openOnce<Opened>(
        _ openOne: (SocketAddress) throws(SystemError) -> (Opened, port: UInt16?)
    ) throws(BindError) -> OpenedListeners<Opened> {
        var opened: [Opened] = []
        var missing: [BindError] = []
        var chosen: UInt16?
        for address in self {
            let wanted = address.port == 0 ? address.with(port: chosen ?? 0) : address
            do throws(SystemError) {
                let (socket, port) = try openOne(wanted)
                chosen = chosen ?? port
                opened.append(socket)
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
