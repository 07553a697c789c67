import Glibc

/// The result of one receive or send.
package enum Transfer: Hashable, Sendable {
    /// The number of bytes moved; at least one, unless zero were requested.
    case bytes(Int)
    /// The peer has sent its last byte (only from a receive).
    case endOfStream
    /// Nothing can be moved now without blocking.
    case wouldBlock
    /// A signal interrupted a blocking call (only from the `interruptible` forms).
    case interrupted
    /// The connection is broken.
    case failed(Errno)
}

/// A stream socket.
///
/// Owns its descriptor.
package struct Socket: ~Copyable, Sendable {
    /// The descriptor, closed with the socket.
    package let descriptor: Descriptor

    /// Takes ownership of a descriptor that is a stream socket.
    package init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    /// Opens a stream socket, close-on-exec and non-blocking.
    ///
    /// The corresponding C function is `socket`.
    package init(family: CInt, blocking: Bool = false) throws(SystemError) {
        let type = streamType | closeOnExecFlag | (blocking ? 0 : nonBlockingFlag)
        descriptor = Descriptor(adopting: try systemCall("socket") { socket(family, type, 0) })
    }

    /// A connected pair of Unix sockets, close-on-exec and non-blocking.
    ///
    /// The corresponding C function is `socketpair`.
    package static func pair() throws(SystemError) -> SocketPair {
        var ends: (CInt, CInt) = (-1, -1)
        let type = streamType | closeOnExecFlag | nonBlockingFlag
        try systemCall("socketpair") {
            unsafe withUnsafeMutableBytes(of: &ends) { bytes in
                unsafe socketpair(
                    AF_UNIX,
                    type,
                    0,
                    bytes.assumingMemoryBound(to: CInt.self).baseAddress
                )
            }
        }
        return SocketPair(
            first: Socket(Descriptor(adopting: ends.0)),
            second: Socket(Descriptor(adopting: ends.1))
        )
    }

    /// Gives up ownership of the descriptor without closing it.
    package consuming func release() -> CInt {
        descriptor.release()
    }

    /// The descriptor's number, for registering it with the kernel while the socket lives.
    package var number: CInt { descriptor.rawValue }

    /// Receives available bytes.
    ///
    /// The corresponding C function is `recv`.
    ///
    /// A request for zero bytes on a socket with data or at its end gives `.bytes(0)`.
    package func receive(
        into buffer: UnsafeMutableRawBufferPointer,
        flags: CInt = 0
    ) -> Transfer {
        unsafe Self.receive(from: number, into: buffer, flags: flags)
    }

    /// Receives by descriptor number, for an owner that cannot lend its socket without a run-time
    /// check.
    package static func receive(
        from number: CInt,
        into buffer: UnsafeMutableRawBufferPointer,
        flags: CInt = 0
    ) -> Transfer {
        let count = transferCall {
            unsafe receiveBytes(from: number, buffer.baseAddress, buffer.count, flags)
        }
        if count > 0 { return .bytes(count) }
        if count == 0 { return unsafe buffer.isEmpty ? .bytes(0) : .endOfStream }
        return failure(count)
    }

    /// Sends what fits.
    ///
    /// The corresponding C function is `send`, with `MSG_NOSIGNAL`.
    package func send(_ buffer: UnsafeRawBufferPointer, flags: CInt = 0) -> Transfer {
        unsafe Self.send(buffer, to: number, flags: flags)
    }

    /// Sends by descriptor number, for an owner that cannot lend its socket without a run-time
    /// check.
    package static func send(
        _ buffer: UnsafeRawBufferPointer,
        to number: CInt,
        flags: CInt = 0
    ) -> Transfer {
        let count = transferCall {
            unsafe Glibc.send(number, buffer.baseAddress, buffer.count, flags | CInt(MSG_NOSIGNAL))
        }
        return count >= 0 ? .bytes(count) : failure(count)
    }

    /// Receives on a blocking socket, giving `.interrupted` when a signal arrives first.
    package func receiveInterruptible(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        let count = unsafe receiveBytes(from: number, buffer.baseAddress, buffer.count, 0)
        if count > 0 { return .bytes(count) }
        return count == 0 ? .endOfStream : Self.failure(-Int(errno))
    }

    /// Sends on a blocking socket, giving `.interrupted` when a signal arrives first.
    package func sendInterruptible(_ buffer: UnsafeRawBufferPointer) -> Transfer {
        let count = unsafe Glibc.send(number, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
        return count >= 0 ? .bytes(count) : Self.failure(-Int(errno))
    }

    private static func failure(_ negated: Int) -> Transfer {
        let number = Errno(rawValue: CInt(-negated))
        if number.isWouldBlock { return .wouldBlock }
        return number.rawValue == EINTR ? .interrupted : .failed(number)
    }

    /// Which half of a connection to shut down.
    package enum Direction: Sendable {
        /// No more will be received (`SHUT_RD`).
        case receiving
        /// No more will be sent; the peer sees the end of the stream (`SHUT_WR`).
        case sending
        /// Both (`SHUT_RDWR`).
        case both

        var flag: CInt {
            switch self {
            case .receiving: CInt(SHUT_RD)
            case .sending: CInt(SHUT_WR)
            case .both: CInt(SHUT_RDWR)
            }
        }
    }

    /// Shuts down a direction.
    ///
    /// It is not an error if the connection is already gone. The corresponding C function is
    /// `shutdown`.
    package func shutdown(_ direction: Direction) {
        _ = Glibc.shutdown(number, direction.flag)
    }

    /// Starts or completes a connection.
    ///
    /// The corresponding C function is `connect`.
    ///
    /// - Returns: whether it is established; `false` while it is in progress.
    /// - Throws: why it failed.
    package func connect(to address: SocketAddress) throws(SystemError) -> Bool {
        let result = unsafe address.withSockaddr { pointer, length in
            transferCall { unsafe Int(Glibc.connect(number, pointer, length)) }
        }
        switch -result {
        case 0: return true
        case Int(EINPROGRESS), Int(EALREADY): return false
        case Int(EISCONN): return true
        case let number: throw SystemError(call: "connect", errno: Errno(rawValue: CInt(number)))
        }
    }

    /// The local address.
    ///
    /// The corresponding C function is `getsockname`.
    package var localAddress: SocketAddress? {
        unsafe SocketAddress.read { pointer, length in unsafe getsockname(number, pointer, length) }
    }

    /// The local address, or the error that the kernel reports.
    ///
    /// The corresponding C function is `getsockname`.
    package func boundAddress() throws(SystemError) -> SocketAddress {
        var status: CInt = 0
        var errno = Errno(rawValue: EINVAL)
        let address = unsafe SocketAddress.read { pointer, length in
            status = unsafe getsockname(number, pointer, length)
            errno = .current
            return status
        }
        guard let address else {
            throw SystemError(
                call: "getsockname",
                errno: status < 0 ? errno : Errno(rawValue: EAFNOSUPPORT)
            )
        }
        return address
    }
}

/// Two sockets connected to each other.
package struct SocketPair: ~Copyable {
    /// One end.
    package var first: Socket
    /// The other end.
    package var second: Socket

    /// Splits the pair into its ends.
    package consuming func split<Result>(
        _ body: (consuming Socket, consuming Socket) throws -> Result
    ) rethrows -> Result {
        try body(first, second)
    }
}

// Imported as enumerations, needed as numbers.
let streamType = CInt(SOCK_STREAM.rawValue)
let closeOnExecFlag = CInt(SOCK_CLOEXEC.rawValue)
let nonBlockingFlag = CInt(SOCK_NONBLOCK.rawValue)
