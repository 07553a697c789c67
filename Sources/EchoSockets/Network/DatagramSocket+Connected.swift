extension DatagramSocket {
    /// Opens a socket for a client of one server, close-on-exec and non-blocking.
    ///
    /// The corresponding C functions are `socket` and `connect`. The kernel passes on only what the
    /// server's address and port send. That a datagram did not arrive (an ICMP error) fails a later
    /// call, once, for example with `ECONNREFUSED` (udp(7)).
    ///
    /// - Parameter server: its address, of IPv4 or IPv6.
    /// - Throws: for example `ENETUNREACH`, `EMFILE` or, for a Unix address, `EAFNOSUPPORT`.
    package init(connectedTo server: SocketAddress) throws(SystemError) {
        let socket = try Self.open(for: server)
        _ = try socket.connect(to: server)
        address = try socket.boundAddress()
        isInherited = false
        unavailableOptions = []
        statesSource = false
        segments = false
        earlierDrops = 0
        descriptor = Descriptor(adopting: socket.release())
    }
}
