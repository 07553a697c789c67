import Glibc

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
        if case .unix = server {
            throw SystemError(call: "socket", errno: Errno(rawValue: EAFNOSUPPORT))
        }
        let type = CInt(SOCK_DGRAM.rawValue) | closeOnExecFlag | nonBlockingFlag
        let family = server.family
        let socket = Socket(
            Descriptor(adopting: try systemCall("socket") { Glibc.socket(family, type, 0) })
        )
        for name in [SO_RCVBUF, SO_SNDBUF] {
            try? socket.setOption(level: SOL_SOCKET, name, Self.bufferSize)
        }
        _ = try socket.connect(to: server)
        address = try socket.boundAddress()
        isInherited = false
        unavailableOptions = []
        statesSource = false
        segments = false
        descriptor = Descriptor(adopting: socket.release())
    }
}
