import Sockets

/// The other end of a connection.
struct Peer: Hashable, Sendable {
    /// Its address.
    let address: SocketAddress
    /// For a Unix socket, the user it belongs to.
    let userID: UInt32?

    /// What limits per peer count together: an IPv4 address, a /64 of IPv6 (what one host is
    /// given), a user on this machine.
    var group: PeerGroup {
        switch address {
        case .ipv4(let address, _): .ipv4(address)
        case .ipv6(0, let low, _, _) where low >> 32 == 0xFFFF:
            .ipv4(UInt32(truncatingIfNeeded: low))
        case .ipv6(let high, _, _, _): .ipv6(high)
        case .unix: .user(userID ?? .max)
        }
    }
}

/// Connections that count together for a limit per peer.
enum PeerGroup: Hashable, Sendable {
    case ipv4(UInt32)
    case ipv6(UInt64)
    case user(UInt32)
}
