import EchoSockets

/// The other end of a connection.
struct Peer: Hashable, Sendable {
    /// Its address; IPv4 also where the socket it connected to is of IPv6.
    let address: SocketAddress
    // Not optional, so that a connection takes no more memory for them.
    private let user: UInt32
    private let process: Int32

    /// A peer.
    ///
    /// - Parameters:
    ///   - address: its address.
    ///   - userID: for a Unix socket, the user it belongs to, if that is known.
    ///   - processID: for a Unix socket, the process it belongs to, if that is known.
    init(address: SocketAddress, userID: UInt32? = nil, processID: Int32? = nil) {
        self.address = address.withoutMapping
        user = userID ?? .max
        process = processID ?? 0
    }

    /// For a Unix socket, the user it belongs to; `nil` if that is not known.
    var userID: UInt32? { user == .max ? nil : user }

    /// For a Unix socket, the process that connected; `nil` if that is not known.
    var processID: Int32? { process == 0 ? nil : process }

    /// What limits per peer count together: an IPv4 address, a /64 of IPv6 (what one host is
    /// given), a user on this machine.
    var group: PeerGroup {
        switch address {
        case .ipv4(let address, _): .ipv4(address)
        case .ipv6(let high, _, _, _): .ipv6(high)
        case .unix: .user(user)
        }
    }
}

/// Connections that count together for a limit per peer.
enum PeerGroup: Hashable, Sendable {
    case ipv4(UInt32)
    case ipv6(UInt64)
    case user(UInt32)
}
