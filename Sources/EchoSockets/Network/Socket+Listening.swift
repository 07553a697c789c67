import Glibc

extension Socket {
    /// Binds it to an address.
    ///
    /// The corresponding C function is `bind`.
    func bind(to address: SocketAddress) throws(SystemError) {
        let result = unsafe address.withSockaddr { pointer, length in
            transferCall { unsafe Int(Glibc.bind(number, pointer, length)) }
        }
        if result < 0 { throw SystemError(call: "bind", errno: Errno(rawValue: CInt(-result))) }
    }

    /// Accepts nothing of IPv4 (`IPV6_V6ONLY`, ipv6(7)).
    ///
    /// Essential for [::], which would otherwise accept IPv4, or take the place of 0.0.0.0; other
    /// IPv6 addresses accept no IPv4 anyway.
    func restrictToIPv6(for address: SocketAddress) throws(SystemError) {
        do {
            try setOption(level: CInt(IPPROTO_IPV6), IPV6_V6ONLY, 1)
        } catch {
            let isRestricted = try? option(level: CInt(IPPROTO_IPV6), IPV6_V6ONLY)
            if address.isWildcard, isRestricted != 1 { throw error }
        }
    }

    /// Makes the kernel queue connections to it.
    ///
    /// The corresponding C function is `listen`.
    func listen(_ backlog: CInt) throws(SystemError) {
        try systemCall("listen") { Glibc.listen(number, backlog) }
    }
}
