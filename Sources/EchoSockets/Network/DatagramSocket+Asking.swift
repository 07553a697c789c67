import Glibc

/// Why a datagram did not arrive, as another host or this one has said (an ICMP error, ip(7)).
package struct DatagramError: Hashable, Sendable {
    /// The error, for example `ECONNREFUSED`.
    package let errno: Errno
    /// The first bytes of the datagram: as many of them as the error has brought back, which may be
    /// all or none.
    package let quoted: [UInt8]
}

extension Errno {
    /// Whether it says of a datagram that nothing is there that could answer: the port is closed,
    /// or no route leads there.
    package var refusesDatagrams: Bool {
        let refusals = [
            ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EADDRNOTAVAIL,
            EAFNOSUPPORT,
        ]
        return refusals.contains(rawValue)
    }
}

/// What a client does with a datagram socket.
///
/// It has no peer: a connected socket would hide answers that come from another address than was
/// asked. The errors that a connected one is told of, it is told of all the same (`IP_RECVERR`,
/// ip(7)).
extension DatagramSocket {
    /// The most bytes of a datagram over IPv4 (RFC 768, RFC 791), and so the most that clients send
    /// over either IP.
    package static let largestPayload = 65_507

    /// Opens a socket for a client, close-on-exec and non-blocking.
    ///
    /// Its port is 1024 or above: servers that guard against loops answer no other.
    ///
    /// - Parameter server: whom it will ask.
    /// - Returns: the socket.
    /// - Throws: for example `EMFILE`.
    package static func asking(_ server: SocketAddress) throws(SystemError) -> DatagramSocket {
        let socket = try unprivileged(server)
        try socket.reportErrors(isIPv6: socket.address.family == AF_INET6)
        // One message is one datagram.
        try? socket.setOption(CInt(IPPROTO_UDP), DatagramOption.coalescing, 0)
        return socket
    }

    private static func unprivileged(
        _ server: SocketAddress
    ) throws(SystemError) -> DatagramSocket {
        let any: SocketAddress =
            server.family == AF_INET6
            ? .ipv6(0, 0, port: 0, scope: 0) : .ipv4(0, port: 0)
        // Where the system hands out privileged ports (`ip_local_port_range`), another one.
        for _ in 1..<64 {
            let socket = try DatagramSocket(any)
            if let port = socket.address.port, port >= 1024 { return socket }
        }
        return try DatagramSocket(any)
    }

    private func reportErrors(isIPv6: Bool) throws(SystemError) {
        if isIPv6 {
            try setOption(CInt(IPPROTO_IPV6), DatagramOption.receiveErrors6, 1)
        } else {
            try setOption(CInt(IPPROTO_IP), DatagramOption.receiveErrors4, 1)
        }
    }

    private func setOption(_ level: CInt, _ name: CInt, _ value: CInt) throws(SystemError) {
        let number = number
        try systemCall("setsockopt") {
            unsafe withUnsafePointer(to: value) { pointer in
                unsafe setsockopt(number, level, name, pointer, socklen_t(MemoryLayout<CInt>.size))
            }
        }
    }

    /// Sends a datagram, without waiting.
    ///
    /// The corresponding C function is `sendto`. Errors of earlier datagrams, which the kernel
    /// reports here as well, must have been taken (``takeErrors(of:)``): otherwise they fail it.
    ///
    /// - Parameters:
    ///   - bytes: the datagram.
    ///   - address: where to.
    ///   - number: the socket's descriptor.
    /// - Returns: why the kernel has not taken it; `EAGAIN` if it has no room at present.
    package static func send(
        _ bytes: [UInt8],
        to address: SocketAddress,
        from number: CInt
    ) -> Errno? {
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
        let count = unsafe address.withSockaddr { name, length in
            unsafe bytes.withUnsafeBytes { bytes in
                transferCall {
                    unsafe sendto(number, bytes.baseAddress, bytes.count, flags, name, length)
                }
            }
        }
        return count < 0 ? Errno(rawValue: CInt(-count)) : nil
    }

    /// Takes the errors that were reported of datagrams that were sent.
    ///
    /// The corresponding C function is `recvmsg` with `MSG_ERRQUEUE`.
    ///
    /// - Parameter number: the descriptor of a client's socket.
    /// - Returns: the errors, oldest first.
    package static func takeErrors(of number: CInt) -> [DatagramError] {
        var errors: [DatagramError] = []
        while let error = takeError(of: number) { errors.append(error) }
        return errors
    }

    private static func takeError(of number: CInt) -> DatagramError? {
        // The error comes first in the control data: a `sock_extended_err`, which begins with it.
        let headerSize = 16
        return unsafe withUnsafeTemporaryAllocation(byteCount: 4096 + 512, alignment: 16) {
            memory -> DatagramError? in
            guard let start = memory.baseAddress else { return nil }
            var vector = unsafe iovec(iov_base: start + 512, iov_len: 4096)
            return unsafe withUnsafeMutablePointer(to: &vector) { vector -> DatagramError? in
                var header = unsafe msghdr()
                unsafe header.msg_iov = vector
                unsafe header.msg_iovlen = 1
                unsafe header.msg_control = start
                unsafe header.msg_controllen = 512
                let flags = CInt(MSG_ERRQUEUE) | CInt(MSG_DONTWAIT)
                let count = transferCall { unsafe recvmsg(number, &header, flags) }
                guard count >= 0 else { return nil }
                let control = unsafe UnsafeRawBufferPointer(
                    start: start,
                    count: min(header.msg_controllen, 512)
                )
                let quoted = unsafe UnsafeRawBufferPointer(start: start + 512, count: count)
                return DatagramError(
                    errno: unsafe error(in: control, headerSize) ?? Errno(rawValue: EIO),
                    quoted: unsafe Array(quoted)
                )
            }
        }
    }

    private static func error(in control: UnsafeRawBufferPointer, _ headerSize: Int) -> Errno? {
        var offset = 0
        while offset + headerSize + 4 <= control.count {
            let size = unsafe control.load(fromByteOffset: offset, as: Int.self)
            guard size >= headerSize, offset + size <= control.count else { return nil }
            let level = unsafe control.load(fromByteOffset: offset + 8, as: CInt.self)
            let type = unsafe control.load(fromByteOffset: offset + 12, as: CInt.self)
            switch (level, type) {
            case (CInt(IPPROTO_IP), DatagramOption.receiveErrors4),
                (CInt(IPPROTO_IPV6), DatagramOption.receiveErrors6):
                let number = unsafe control.load(fromByteOffset: offset + headerSize, as: CInt.self)
                return Errno(rawValue: number)
            default: offset += (size + 7) & ~7
            }
        }
        return nil
    }
}

extension SocketAddress {
    /// Where to send what is meant for this address: an address of its own family, and loopback
    /// for the one that stands for all, to which the kernel would send it anyhow.
    package var asDestination: SocketAddress {
        let plain = withoutMapping
        guard plain.isWildcard, let port else { return plain }
        return plain.family == AF_INET6 ? .loopback6(port: port) : .loopback(port: port)
    }
}
