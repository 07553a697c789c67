import Glibc

/// Where a socket is bound or connected: a value that can be compared, hashed, printed and parsed.
package enum SocketAddress: Hashable, Sendable {
    /// IPv4: the address in host byte order, and the port.
    case ipv4(UInt32, port: UInt16)
    /// IPv6: the high and low halves in host byte order, the port, and the scope of a link-local
    /// address (0 otherwise).
    case ipv6(UInt64, UInt64, port: UInt16, scope: UInt32)
    /// Unix: a path; one that starts with NUL is an abstract name; empty for an unnamed socket.
    case unix(String)

    /// The address family, as `socket(2)` takes it.
    package var family: CInt {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    /// The TCP port; `nil` for a Unix socket.
    package var port: UInt16? {
        switch self {
        case .ipv4(_, let port): port
        case .ipv6(_, _, let port, _): port
        case .unix: nil
        }
    }

    /// The same address with another port.
    package func with(port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let high, let low, _, let scope): .ipv6(high, low, port: port, scope: scope)
        case .unix: self
        }
    }

    /// Whether it means every address of the host.
    package var isWildcard: Bool {
        switch self {
        case .ipv4(let address, _): address == 0
        case .ipv6(let high, let low, _, _): high == 0 && low == 0
        case .unix: false
        }
    }

    /// Whether it is an IPv6 address that is ambiguous without a network interface, and has none:
    /// link-local, or multicast of as small a scope (RFC 4007).
    package var lacksInterface: Bool {
        guard case .ipv6(let high, _, _, scope: 0) = self else { return false }
        let prefix = high >> 48
        return prefix & 0xFFC0 == 0xFE80 || prefix & 0xFF0F == 0xFF01 || prefix & 0xFF0F == 0xFF02
    }

    /// The IPv4 address that an IPv4-mapped address of IPv6 stands for (`::ffff:192.0.2.1`), as a
    /// socket for both gives it; any other address as it is (RFC 4291, section 2.5.5.2).
    package var withoutMapping: SocketAddress {
        guard case .ipv6(0, let low, let port, _) = self, low >> 32 == 0xFFFF else { return self }
        return .ipv4(UInt32(truncatingIfNeeded: low), port: port)
    }

    /// The IPv4 loopback address.
    package static func loopback(port: UInt16) -> SocketAddress {
        .ipv4(0x7F00_0001, port: port)
    }

    /// The IPv6 loopback address.
    package static func loopback6(port: UInt16) -> SocketAddress {
        .ipv6(0, 1, port: port, scope: 0)
    }

    /// Parses a numeric IPv4 or IPv6 address.
    ///
    /// The corresponding C function is `inet_pton`.
    package init?(numeric host: String, port: UInt16) {
        var bytes4 = in_addr()
        if unsafe inet_pton(AF_INET, host, &bytes4) == 1 {
            self = .ipv4(UInt32(bigEndian: bytes4.s_addr), port: port)
            return
        }
        let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var bytes6 = in6_addr()
        guard unsafe inet_pton(AF_INET6, String(parts[0]), &bytes6) == 1 else { return nil }
        var scope: UInt32 = 0
        if parts.count == 2 {
            scope = UInt32(parts[1]) ?? (unsafe if_nametoindex(String(parts[1])))
            if scope == 0 { return nil }
        }
        let (high, low) = Self.halves(bytes6)
        self = .ipv6(high, low, port: port, scope: scope)
    }
}

extension SocketAddress: CustomStringConvertible {
    /// As an endpoint is written: `127.0.0.1:5150`, `[::1]:5150`, `unix:/run/echo.sock`,
    /// `unix:@name` for an abstract name, `unix:` for an unnamed socket.
    package var description: String {
        switch self {
        case .ipv4(_, let port): "\(host):\(port)"
        case .ipv6(_, _, let port, _): "[\(host)]:\(port)"
        case .unix: "unix:\(host)"
        }
    }

    /// The address without the port, or the path.
    package var host: String {
        switch self {
        case .ipv4(let address, _):
            var bytes = in_addr(s_addr: address.bigEndian)
            return unsafe Self.presentation(AF_INET, &bytes)
        case .ipv6(let high, let low, _, let scope):
            var bytes = Self.in6(high, low)
            let text = unsafe Self.presentation(AF_INET6, &bytes)
            return scope == 0 ? text : "\(text)%\(scope)"
        case .unix(let path):
            return path.utf8.first == 0 ? "@" + path.dropFirst() : path
        }
    }

    private static func presentation(_ family: CInt, _ bytes: UnsafeRawPointer) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) {
            text in
            guard let base = text.baseAddress,
                unsafe inet_ntop(family, bytes, base, socklen_t(text.count)) != nil
            else { return "?" }
            return unsafe String(cString: base)
        }
    }
}
