import Glibc

/// The options of datagram sockets that not every C library defines.
enum DatagramOption {
    /// `IP_PKTINFO`, ip(7).
    static let packetInformation4: CInt = 8
    /// `IPV6_RECVPKTINFO`, ipv6(7): has ``packetInformation6`` come with each message.
    static let receivePacketInformation6: CInt = 49
    /// `IPV6_PKTINFO`, ipv6(7).
    static let packetInformation6: CInt = 50
    /// `IP_RECVERR`, ip(7).
    static let receiveErrors4: CInt = 11
    /// `IPV6_RECVERR`, ipv6(7).
    static let receiveErrors6: CInt = 25
    /// `SO_RXQ_OVFL`, socket(7).
    static let overflow: CInt = 40
    /// `SO_MEMINFO`, which gives the figures of `ss -m` (ss(8)): sock_diag.h has their names.
    static let memory: CInt = 55
    /// `UDP_SEGMENT`, udp(7).
    static let segmentation: CInt = 103
    /// `UDP_GRO`, udp(7).
    static let coalescing: CInt = 104
}

/// A UDP socket that answers whoever sends to it.
///
/// Owns its descriptor. Other hosts' complaints (ICMP errors) are not asked for (`IP_RECVERR`
/// stays off, and is turned off on an inherited socket): on a socket without a peer the kernel then
/// drops them, and none of them ends a receive or fails a send to somebody else (udp(7)).
package struct DatagramSocket: ~Copyable, Sendable {
    /// The descriptor, closed with the socket.
    package let descriptor: Descriptor
    /// The bound address, with the port resolved.
    package let address: SocketAddress
    /// Whether the socket was inherited, and may outlive this process.
    package let isInherited: Bool
    /// The names of the options that the kernel does not know.
    package let unavailableOptions: [String]
    /// Whether an answer has to say where it leaves from: several addresses of this machine, or
    /// none of its own, lead to the socket.
    let statesSource: Bool
    /// Whether the kernel can split a message into datagrams (`UDP_SEGMENT`).
    let segments: Bool
    /// Datagrams that the kernel had dropped for want of room before the socket was inherited,
    /// modulo 2 to the power of 32.
    let earlierDrops: UInt32

    /// The kernel's receive and send buffers, before it clamps them to `net.core.rmem_max` and
    /// `wmem_max` and doubles them for its own overhead: enough for a burst of several hundred
    /// small datagrams, each of which takes up some 768 bytes.
    private static let bufferSize: CInt = 1 << 20

    /// Binds, close-on-exec and non-blocking.
    ///
    /// The corresponding C functions are `socket` and `bind`. Neither `SO_REUSEADDR` nor
    /// `SO_REUSEPORT` is set: with either, two servers would share the port without an error.
    ///
    /// - Parameter address: where, of IPv4 or IPv6; port 0 lets the kernel choose.
    /// - Throws: for example `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES` or, for a Unix address,
    ///   `EAFNOSUPPORT`.
    package init(_ address: SocketAddress) throws(SystemError) {
        let socket = try Self.open(for: address)
        if address.family == AF_INET6 { try socket.restrictToIPv6(for: address) }
        try socket.bind(to: address)
        let bound = try socket.boundAddress()
        try self.init(socket, address: bound, isInherited: false)
    }

    /// A socket of an address's family, close-on-exec and non-blocking, with room for bursts.
    static func open(for address: SocketAddress) throws(SystemError) -> Socket {
        if case .unix = address {
            throw SystemError(call: "socket", errno: Errno(rawValue: EAFNOSUPPORT))
        }
        let type = CInt(SOCK_DGRAM.rawValue) | closeOnExecFlag | nonBlockingFlag
        let family = address.family
        let socket = Socket(
            Descriptor(adopting: try systemCall("socket") { Glibc.socket(family, type, 0) })
        )
        for name in [SO_RCVBUF, SO_SNDBUF] {
            try? socket.setOption(level: SOL_SOCKET, name, bufferSize)
        }
        return socket
    }

    /// Adopts a bound socket, such as service managers pass (`ListenDatagram=`).
    ///
    /// It stays as it is, except that it becomes close-on-exec and non-blocking, and that the
    /// options that answers need are set.
    ///
    /// - Throws: `ENOTSOCK`, or `EINVAL` if it is not a bound UDP socket without a peer.
    package init(adopting descriptor: consuming Descriptor) throws(SystemError) {
        let socket = Socket(descriptor)
        let type = try socket.option(level: SOL_SOCKET, SO_TYPE)
        guard type == CInt(SOCK_DGRAM.rawValue), let address = socket.localAddress,
            let port = address.port, port > 0, !socket.hasPeer
        else { throw SystemError(call: "bind", errno: Errno(rawValue: EINVAL)) }
        try socket.descriptor.setCloseOnExec()
        try socket.descriptor.setNonBlocking(true)
        try self.init(socket, address: address, isInherited: true)
    }

    private init(
        _ socket: consuming Socket,
        address: SocketAddress,
        isInherited: Bool
    ) throws(SystemError) {
        let isIPv6 = address.family == AF_INET6
        statesSource = address.isWildcard || socket.isBoundToGroup(address)
        // Else it is where the socket is bound, and nothing is to be told.
        if statesSource { try socket.askForDestination(isIPv6: isIPv6) }
        socket.dropErrors(isIPv6: isIPv6)
        var unavailable: [String] = []
        let wanted: [(String, CInt, CInt, CInt)] = [
            ("SO_RXQ_OVFL", SOL_SOCKET, DatagramOption.overflow, 1),
            ("UDP_GRO", CInt(IPPROTO_UDP), DatagramOption.coalescing, 1),
            // Not for all that is sent, but tells whether the kernel knows it.
            ("UDP_SEGMENT", CInt(IPPROTO_UDP), DatagramOption.segmentation, 0),
        ]
        for (name, level, number, value) in wanted
        where (try? socket.setOption(level: level, number, value)) == nil {
            unavailable.append(name)
        }
        segments = !unavailable.contains("UDP_SEGMENT")
        unavailableOptions = unavailable
        self.address = address
        self.isInherited = isInherited
        earlierDrops = isInherited ? socket.drops : 0
        descriptor = Descriptor(adopting: socket.release())
    }

    /// The descriptor's number, for waiting until it is readable.
    package var number: CInt { descriptor.rawValue }

    /// Gives up ownership of the descriptor without closing it.
    package consuming func release() -> CInt {
        descriptor.release()
    }
}

extension Socket {
    /// Datagrams that the kernel has dropped for want of room since it was opened; 0 where the
    /// kernel does not tell (before Linux 4.12).
    fileprivate var drops: UInt32 {
        // Its last figure: SK_MEMINFO_DROPS.
        var figures = [UInt32](repeating: 0, count: 9)
        var length = socklen_t(figures.count * MemoryLayout<UInt32>.size)
        let status = unsafe getsockopt(
            number,
            SOL_SOCKET,
            DatagramOption.memory,
            &figures,
            &length
        )
        return status == 0 ? figures[8] : 0
    }

    fileprivate var hasPeer: Bool {
        unsafe SocketAddress.read { pointer, length in
            unsafe getpeername(number, pointer, length)
        } != nil
    }

    /// Has each message come with the address that it was sent to.
    fileprivate func askForDestination(isIPv6: Bool) throws(SystemError) {
        guard isIPv6 else {
            return try setOption(
                level: CInt(IPPROTO_IP),
                DatagramOption.packetInformation4,
                1
            )
        }
        try setOption(
            level: CInt(IPPROTO_IPV6),
            DatagramOption.receivePacketInformation6,
            1
        )
        // An inherited socket may be for IPv4 as well, whose broadcasts only this tells.
        try? setOption(level: CInt(IPPROTO_IP), DatagramOption.packetInformation4, 1)
    }

    fileprivate func dropErrors(isIPv6: Bool) {
        try? setOption(level: CInt(IPPROTO_IP), DatagramOption.receiveErrors4, 0)
        if isIPv6 { try? setOption(level: CInt(IPPROTO_IPV6), DatagramOption.receiveErrors6, 0) }
        // One that came before.
        _ = takeError()
    }

    /// Whether it is bound to a multicast or broadcast address.
    ///
    /// No answer can leave from there. That an address is a broadcast address the kernel says of a
    /// connection to it: only sockets that may broadcast get one (`SO_BROADCAST`, socket(7)).
    fileprivate func isBoundToGroup(_ address: SocketAddress) -> Bool {
        guard let internet = InternetAddress(address) else { return false }
        if internet.isMulticast { return true }
        guard case .ipv4 = address else { return false }
        let type = CInt(SOCK_DGRAM.rawValue) | closeOnExecFlag
        let number = Glibc.socket(AF_INET, type, 0)
        guard number >= 0 else { return false }
        let probe = Socket(Descriptor(adopting: number))
        do throws(SystemError) {
            _ = try probe.connect(to: address)
            return false
        } catch {
            return error.errno.rawValue == EACCES
        }
    }
}
