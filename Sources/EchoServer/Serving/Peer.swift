import EchoSockets

/// The other end of a connection.
struct Peer: Hashable, Sendable {
    /// Its address; an IPv4 address even if the socket it connected to is IPv6.
    let address: SocketAddress
    // Not optional, so that a connection takes no more memory for them.
    private let user: UInt32
    private let process: Int32

    /// A peer.
    ///
    /// - Parameters:
    ///   - address: its address.
    ///   - userID: for a Unix socket, its user, if known.
    ///   - processID: for a Unix socket, its process, if known.
    init(address: SocketAddress, userID: UInt32? = nil, processID: Int32? = nil) {
        self.address = address.withoutMapping
        user = userID ?? .max
        process = processID ?? 0
    }

    /// For a Unix socket, its user; `nil` if unknown.
    var userID: UInt32? { user == .max ? nil : user }

    /// For a Unix socket, the process that connected; `nil` if unknown.
    var processID: Int32? { process == 0 ? nil : process }

    /// What limits per peer count together: an IPv4 address, an IPv6 /64 (a single host's share), a
    /// user of this machine.
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
