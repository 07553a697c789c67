import Glibc

/// A descriptor opened elsewhere that should be a listening socket, or a UDP socket.
///
/// Inspects it without taking ownership.
package struct ListeningDescriptor: Sendable {
    /// Why it cannot be served, phrased to follow its name.
    package struct Objection: Error, Hashable, Sendable, CustomStringConvertible {
        /// For example `does not listen`.
        package let description: String
    }

    /// The descriptor.
    package let number: CInt
    /// The bound address.
    package let address: SocketAddress
    /// Whether it is a UDP socket.
    package let isDatagram: Bool

    /// Checks that it is open, a stream socket of TCP or a Unix socket, and listening, or a UDP
    /// socket without a peer.
    ///
    /// The corresponding C function is `getsockopt` with `SO_TYPE`, `SO_DOMAIN`, `SO_PROTOCOL` and
    /// `SO_ACCEPTCONN`, socket(7).
    ///
    /// - Throws: what it is instead.
    package init(checking number: CInt) throws(Objection) {
        let domain = try Self.option(number, SO_DOMAIN)
        let type = try Self.option(number, SO_TYPE)
        if type == CInt(SOCK_DGRAM.rawValue) {
            address = try Self.datagramAddress(number, domain)
            self.number = number
            isDatagram = true
            return
        }
        let protocols = [CInt(IPPROTO_TCP), Self.multipathTCP]
        let isTCP =
            [AF_INET, AF_INET6].contains(domain)
            ? protocols.contains(try Self.option(number, SO_PROTOCOL)) : false
        guard type == streamType, isTCP || domain == AF_UNIX else {
            throw Objection(description: "is no TCP or UDP socket, and no Unix stream socket")
        }
        guard try Self.option(number, SO_ACCEPTCONN) == 1 else {
            throw Objection(
                description: Self.isConnected(number)
                    ? "is a connection, not a listening socket; set Accept=no in its socket unit"
                    : "does not listen"
            )
        }
        guard
            let address = unsafe SocketAddress.read({ pointer, length in
                unsafe getsockname(number, pointer, length)
            })
        else { throw Objection(description: "has no address") }
        self.number = number
        self.address = address
        isDatagram = false
    }

    private static func datagramAddress(
        _ number: CInt,
        _ domain: CInt
    ) throws(Objection) -> SocketAddress {
        if domain == AF_UNIX {
            throw Objection(
                description: "is a Unix datagram socket; set ListenStream= in its socket unit"
            )
        }
        let isUDP = try option(number, SO_PROTOCOL) == CInt(IPPROTO_UDP)
        guard [AF_INET, AF_INET6].contains(domain), isUDP else {
            throw Objection(description: "is a datagram socket, and not of UDP")
        }
        if isConnected(number) {
            throw Objection(description: "is a UDP socket for one peer only")
        }
        let address = unsafe SocketAddress.read { pointer, length in
            unsafe getsockname(number, pointer, length)
        }
        guard let address, let port = address.port, port > 0 else {
            throw Objection(description: "is a UDP socket without a port")
        }
        return address
    }

    private static func isConnected(_ number: CInt) -> Bool {
        unsafe SocketAddress.read { pointer, length in
            unsafe getpeername(number, pointer, length)
        } != nil
    }

    // IPPROTO_MPTCP, which not every C library defines: TCP over several paths, which a server need
    // not distinguish.
    private static let multipathTCP: CInt = 262

    private static func option(_ number: CInt, _ name: CInt) throws(Objection) -> CInt {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        do throws(SystemError) {
            try systemCall("getsockopt") {
                unsafe getsockopt(number, SOL_SOCKET, name, &value, &length)
            }
        } catch {
            switch error.errno.rawValue {
            case EBADF: throw Objection(description: "is not open")
            case ENOTSOCK: throw Objection(description: "is not a socket")
            default: throw Objection(description: "cannot be used: \(error.errno)")
            }
        }
        return value
    }
}
