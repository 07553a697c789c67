import CEchoLinux
import Glibc

extension Socket {
    /// Sets an integer option.
    ///
    /// The corresponding C function is `setsockopt`.
    package func setOption(
        level: CInt,
        _ name: CInt,
        _ value: CInt
    ) throws(SystemError) {
        try systemCall("setsockopt") {
            unsafe withUnsafePointer(to: value) { pointer in
                unsafe setsockopt(number, level, name, pointer, socklen_t(MemoryLayout<CInt>.size))
            }
        }
    }

    /// Reads an integer option.
    ///
    /// The corresponding C function is `getsockopt`.
    package func option(level: CInt, _ name: CInt) throws(SystemError) -> CInt {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        try systemCall("getsockopt") { unsafe getsockopt(number, level, name, &value, &length) }
        return value
    }

    /// Sends small segments at once (`TCP_NODELAY`, tcp(7)).
    package func setNoDelay() throws(SystemError) {
        try setOption(level: CInt(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Leaves urgent data in the stream (`SO_OOBINLINE`, socket(7)).
    package func setUrgentInline() throws(SystemError) {
        try setOption(level: SOL_SOCKET, SO_OOBINLINE, 1)
    }

    /// Makes closing reset the connection, so that the peer sees `ECONNRESET` and cannot mistake
    /// this for an orderly end (`SO_LINGER` with a time of zero, socket(7)).
    package func setResetOnClose() {
        var value = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(
            number,
            SOL_SOCKET,
            SO_LINGER,
            &value,
            socklen_t(MemoryLayout<linger>.size)
        )
    }

    /// Limits how long a blocking receive or send waits; it then returns `.wouldBlock`
    /// (`SO_RCVTIMEO`, `SO_SNDTIMEO`, socket(7)).
    package func setBlockingTimeout(_ timeout: Duration) throws(SystemError) {
        let time = timeout.timeval
        for name in [SO_RCVTIMEO, SO_SNDTIMEO] {
            try systemCall("setsockopt") {
                unsafe withUnsafePointer(to: time) { pointer in
                    unsafe setsockopt(
                        number,
                        SOL_SOCKET,
                        name,
                        pointer,
                        socklen_t(MemoryLayout<timeval>.size)
                    )
                }
            }
        }
    }

    /// Whether the kernel has sent bytes of a TCP connection to the peer lately, other than again
    /// (`TCP_INFO`, tcp(7)).
    ///
    /// A peer that reads slowly makes room for them, long before there is room for more in the
    /// socket.
    ///
    /// - Parameters:
    ///   - number: the socket's descriptor.
    ///   - span: since when; what was sent at its very beginning does not count.
    /// - Returns: whether it has; `false` for other sockets.
    package static func hasSent(_ number: CInt, within span: Duration) -> Bool {
        var information = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        let status = unsafe getsockopt(
            number,
            CInt(IPPROTO_TCP),
            TCP_INFO,
            &information,
            &length
        )
        guard status == 0, information.tcpi_retransmits == 0 else { return false }
        let age = Duration.milliseconds(Int64(information.tcpi_last_data_sent))
        // What the kernel took last of all left with it, but for the inexact clocks.
        return age < span - .milliseconds(50)
    }

    /// The error that ended an asynchronous operation, if one did; reading it clears it
    /// (`SO_ERROR`, socket(7)).
    package func takeError() -> Errno? {
        guard let value = try? option(level: SOL_SOCKET, SO_ERROR), value != 0 else { return nil }
        return Errno(rawValue: value)
    }

    /// The address family (`SO_DOMAIN`, socket(7)).
    package var family: CInt? {
        try? option(level: SOL_SOCKET, SO_DOMAIN)
    }

    /// The user and the process at the other end of a Unix socket, as they were when it connected
    /// (`SO_PEERCRED`, unix(7)).
    package var peerCredentials: (user: UInt32, process: Int32)? {
        var credentials = clinux_ucred()
        var length = socklen_t(MemoryLayout<clinux_ucred>.size)
        guard unsafe getsockopt(number, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 else {
            return nil
        }
        return (credentials.uid, credentials.pid)
    }

    /// How many received bytes wait to be read (`FIONREAD`, tcp(7)).
    package var unreadByteCount: Int { EchoSockets.unreadByteCount(of: number) ?? 0 }

    /// Whether one of the events of poll(2) holds now.
    package func poll(_ events: Int32) -> Bool {
        wait(for: events, atMost: 0) & events != 0
    }

    /// Waits for events of poll(2).
    ///
    /// - Parameters:
    ///   - events: for example `POLLIN | POLLOUT`.
    ///   - milliseconds: the longest wait; 0 only tests, -1 waits for ever.
    /// - Returns: those that hold, errors and hang-up included; none after the time, or when a
    ///   signal arrived.
    package func wait(for events: Int32, atMost milliseconds: CInt) -> Int32 {
        var entry = pollfd(fd: number, events: Int16(events), revents: 0)
        let count = unsafe Glibc.poll(&entry, 1, milliseconds)
        return count == 1 ? Int32(entry.revents) : 0
    }
}
