import Glibc

/// What connections inherit from their listening socket, so that it costs no call for each of them.
///
/// None of it is essential: options that a kind of socket does not support are skipped.
package struct ConnectionOptions: Hashable, Sendable {
    /// Silence after which the kernel probes the peer.
    ///
    /// Whole seconds, rounded up, from 1 to 32767. `nil` leaves the socket's value.
    package var keepalive: Duration?
    /// The kernel's receive buffer per connection, in bytes (`SO_RCVBUF`, socket(7)).
    ///
    /// The kernel doubles the number for its own overhead, after clamping it to
    /// `net.core.rmem_max`. `nil` leaves the socket's value, by default up to `net.ipv4.tcp_rmem`.
    package var receiveBuffer: CInt?

    /// Whether urgent bytes stay in the stream, where receiving finds them (`SO_OOBINLINE`,
    /// socket(7)).
    package var urgentInline: Bool

    /// Options; those not given stay as they are.
    package init(
        keepalive: Duration? = nil,
        receiveBuffer: CInt? = nil,
        urgentInline: Bool = false
    ) {
        self.urgentInline = urgentInline
        self.keepalive = keepalive
        self.receiveBuffer = receiveBuffer
    }

    /// Bytes that the kernel accepts for sending before the peer has room for them.
    ///
    /// Bytes in flight do not count, so this costs no throughput.
    package static let unsentLimit: CInt = 128 * 1024

    /// The number of probes before the kernel gives the peer up.
    package static let probes: CInt = 3

    /// The seconds until the first probe, and between probes.
    ///
    /// - Returns: `nil` without a keepalive.
    var probing: (idle: CInt, interval: CInt)? {
        guard let keepalive else { return nil }
        let (seconds, attoseconds) = keepalive.components
        let idle = min(max(seconds + (attoseconds > 0 ? 1 : 0), 1), 32_767)
        return (CInt(idle), CInt((idle + Int64(Self.probes) - 1) / Int64(Self.probes)))
    }

    /// The corresponding options of a TCP socket, tcp(7).
    var options: [SocketOption] {
        let tcp = CInt(IPPROTO_TCP)
        var options = [
            SocketOption("TCP_NODELAY", tcp, TCP_NODELAY, 1),
            SocketOption("TCP_NOTSENT_LOWAT", tcp, TCP_NOTSENT_LOWAT, Self.unsentLimit),
        ]
        if urgentInline {
            options.append(SocketOption("SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1))
        }
        if let receiveBuffer {
            options.append(SocketOption("SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, receiveBuffer))
        }
        if let probing {
            // With a user timeout the kernel counts time instead of probes; half a second less, so
            // that the last probe finds that it has passed.
            let total = (probing.idle + Self.probes * probing.interval) * 1000 - 500
            options += [
                SocketOption("TCP_KEEPIDLE", tcp, TCP_KEEPIDLE, probing.idle),
                SocketOption("TCP_KEEPINTVL", tcp, TCP_KEEPINTVL, probing.interval),
                SocketOption("TCP_KEEPCNT", tcp, TCP_KEEPCNT, Self.probes),
                SocketOption("TCP_USER_TIMEOUT", tcp, TCP_USER_TIMEOUT, total),
                SocketOption("SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1),
            ]
        }
        return options
    }
}

/// An integer option of a socket.
struct SocketOption: Sendable {
    let name: String
    let level: CInt
    let number: CInt
    /// The value to set.
    let value: CInt
    /// The value that the kernel then reports.
    var effect: CInt

    init(_ name: String, _ level: CInt, _ number: CInt, _ value: CInt) {
        self.name = name
        self.level = level
        self.number = number
        self.value = value
        effect = value
    }

    /// Sets it.
    ///
    /// - Returns: whether the socket supports it.
    @discardableResult
    func set(on socket: borrowing Socket) -> Bool {
        (try? socket.setOption(level: level, number, value)) != nil
    }

    /// The socket's value; `nil` if it does not support the option.
    func current(on socket: borrowing Socket) -> CInt? {
        try? socket.option(level: level, number)
    }
}
