import Glibc

/// Where a datagram comes from or goes to: an address of IPv4 or IPv6, and a port.
///
/// A ``SocketAddress`` without Unix sockets, and so without references: nothing is counted when it
/// is copied. An IPv4 address is held as IPv6 maps it (`::ffff:192.0.2.1`, RFC 4291, section
/// 2.5.5.2), whichever way a socket gave it.
package struct InternetAddress: Hashable, Sendable {
    /// The high half of the address, in host byte order.
    package let high: UInt64
    /// The low half.
    package let low: UInt64
    /// The port; 0 for none.
    package let port: UInt16
    /// The network interface of a link-local address; 0 for any other.
    package let scope: UInt32

    /// An IPv6 address, or a mapped IPv4 one.
    package init(high: UInt64, low: UInt64, port: UInt16, scope: UInt32 = 0) {
        self.high = high
        self.low = low
        self.port = port
        self.scope = scope
    }

    /// An IPv4 address, in host byte order.
    package init(ipv4 address: UInt32, port: UInt16) {
        self.init(high: 0, low: 0xFFFF_0000_0000 | UInt64(address), port: port)
    }

    /// The address of a socket; `nil` for a Unix socket.
    package init?(_ address: SocketAddress) {
        switch address {
        case .ipv4(let address, let port): self.init(ipv4: address, port: port)
        case .ipv6(let high, let low, let port, let scope):
            self.init(high: high, low: low, port: port, scope: scope)
        case .unix: return nil
        }
    }

    /// The IPv4 address, in host byte order; `nil` for IPv6.
    package var ipv4: UInt32? {
        high == 0 && low >> 32 == 0xFFFF ? UInt32(truncatingIfNeeded: low) : nil
    }

    /// Whether it stands for a group: 224.0.0.0/4 or ff00::/8.
    package var isMulticast: Bool {
        if let ipv4 { return ipv4 >> 28 == 0xE }
        return high >> 56 == 0xFF
    }

    /// Whether it is an IPv6 address of one network only: fe80::/10.
    package var isLinkLocal: Bool { high >> 54 == 0xFE80 >> 6 }
}

extension InternetAddress: CustomStringConvertible {
    /// As ``SocketAddress`` prints it.
    package var description: String { socketAddress.description }

    /// The same for sockets of its own family.
    package var socketAddress: SocketAddress {
        ipv4.map { .ipv4($0, port: port) } ?? .ipv6(high, low, port: port, scope: scope)
    }
}
