package import EchoSockets
import Glibc

/// One plain TCP or Unix connection that a test drives step by step.
///
/// All waiting is bounded by ``patience`` and happens on threads that may block. One operation at
/// a time; close it, its end is not its last use.
package final class TestClient: Sendable {
    /// How a connection ended.
    package enum End: Hashable, Sendable {
        /// In good order.
        case finished
        /// Broken.
        case broken(CInt)
        /// The peer reset it.
        package static let reset = End.broken(ECONNRESET)
    }

    private let socket: Locked<Socket?>
    private let wasReset: Bool

    /// Connects.
    ///
    /// - Parameters:
    ///   - address: the server.
    ///   - local: the address to connect from; the kernel's choice if `nil`.
    ///   - receiveBuffer: bytes that the kernel is to keep for us at most, socket(7).
    /// - Throws: `SystemError` if that is not possible.
    package init(
        to address: SocketAddress,
        from local: SocketAddress? = nil,
        receiveBuffer: CInt? = nil
    ) async throws {
        let descriptor = try await onPlainThread {
            let socket = try Socket(family: address.family)
            if let receiveBuffer {
                try socket.setOption(level: SOL_SOCKET, SO_RCVBUF, receiveBuffer)
            }
            let number = socket.number
            if let local {
                _ = try unsafe local.withSockaddr { pointer, length in
                    Swift.Result { () throws(SystemError) in
                        try systemCall("bind") { unsafe bind(number, pointer, length) }
                    }
                }.get()
            }
            if try !socket.connect(to: address) {
                guard isWritable(number) else { throw Self.late("connecting") }
                if let errno = socket.takeError() {
                    // Turned away so fast that it was never seen open.
                    guard errno.rawValue == ECONNRESET else {
                        throw SystemError(call: "connect", errno: errno)
                    }
                    return CInt(-1)
                }
            }
            if address.family != AF_UNIX { try socket.setNoDelay() }
            return (consume socket).descriptor.release()
        }
        wasReset = descriptor < 0
        socket = Locked(wasReset ? nil : Socket(Descriptor(adopting: descriptor)))
    }

    /// Sends everything.
    ///
    /// - Parameters:
    ///   - bytes: what to send.
    ///   - flags: as for send(2).
    /// - Throws: `SystemError` if the connection breaks.
    package func send(_ bytes: [UInt8], flags: CInt = 0) async throws {
        try await blocking { socket in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = try Self.moved(
                    unsafe rest.withUnsafeBytes { unsafe socket.send($0, flags: flags) },
                    "send"
                )
                rest = rest.dropFirst(count ?? 0)
                if count == nil, !isWritable(socket.number) { throw Self.late("sending") }
            }
        }
    }

    /// Receives so many bytes, fewer only at the end of the stream.
    ///
    /// - Throws: `SystemError` if the connection breaks first.
    package func receive(_ count: Int) async throws -> [UInt8] {
        try await blocking { socket in
            var bytes: [UInt8] = []
            while bytes.count < count {
                guard let part = try Self.receive(socket, count - bytes.count) else { break }
                bytes += part
            }
            return bytes
        }
    }

    /// Receives until the connection ends.
    ///
    /// - Returns: what came, and how it ended.
    package func receiveToEnd() async throws -> (bytes: [UInt8], end: End) {
        if wasReset { return ([], .reset) }
        return try await blocking { socket in
            var bytes: [UInt8] = []
            do {
                while let part = try Self.receive(socket, 64 * 1024) { bytes += part }
                return (bytes, .finished)
            } catch let error as SystemError {
                return (bytes, .broken(error.errno.rawValue))
            }
        }
    }

    /// Sends everything and receives as many bytes, both at once.
    ///
    /// - Returns: what came back; less only if the stream ended.
    /// - Throws: `SystemError` if the connection breaks.
    package func exchange(_ bytes: [UInt8]) async throws -> [UInt8] {
        try await blocking { socket in
            var rest = bytes[...]
            var back: [UInt8] = []
            while back.count < bytes.count {
                var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
                if !rest.isEmpty { entry.events |= Int16(POLLOUT) }
                guard unsafe poll(&entry, 1, patience.millisecondsRoundedUp) > 0 else {
                    throw Self.late("exchanging; \(back.count) of \(bytes.count) bytes are back")
                }
                if Int32(entry.revents) & POLLOUT != 0 {
                    let count = try Self.moved(
                        unsafe rest.withUnsafeBytes { unsafe socket.send($0) },
                        "send"
                    )
                    rest = rest.dropFirst(count ?? 0)
                }
                if Int32(entry.revents) & ~POLLOUT != 0 {
                    guard let part = try Self.receive(socket, bytes.count - back.count) else {
                        break
                    }
                    back += part
                }
            }
            return back
        }
    }

    /// Whether nothing arrives, not even an end, for a while.
    package func isSilent(for span: Duration) async throws -> Bool {
        try await blocking { !isReadable($0.number, within: span) }
    }

    /// Ends the sending direction.
    package func shutdownSending() {
        socket.withLock { $0?.shutdown(.sending) }
    }

    /// Closes the connection: in good order, unless something was left unread.
    package func close() {
        socket.withLock { $0 = nil }
    }

    /// Closes the connection with a reset.
    package func reset() {
        socket.withLock { socket in
            socket?.setResetOnClose()
            socket = nil
        }
    }

    /// The local address.
    package var localAddress: SocketAddress? {
        socket.withLock { $0?.localAddress }
    }

    private func blocking<Result: Sendable>(
        _ body: @escaping @Sendable (borrowing Socket) throws -> Result
    ) async throws -> Result {
        try await onPlainThread { [self] in
            try socket.withLock { socket in
                switch socket {
                case .some(let open): return try body(open)
                case .none:
                    let errno = Errno(rawValue: wasReset ? ECONNRESET : EBADF)
                    throw SystemError(call: "socket", errno: errno)
                }
            }
        }
    }

    // Bytes, or `nil` at the end of the stream; waits for them.
    private static func receive(_ socket: borrowing Socket, _ limit: Int) throws -> [UInt8]? {
        while true {
            var ended = false
            let size = min(limit, 256 * 1024)
            let bytes = try unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                let transfer = unsafe socket.receive(into: UnsafeMutableRawBufferPointer(buffer))
                count = try moved(transfer, "recv") ?? 0
                ended = transfer == .endOfStream
            }
            if ended { return nil }
            if !bytes.isEmpty { return bytes }
            guard isReadable(socket.number) else { throw late("receiving") }
        }
    }

    private static func moved(_ transfer: Transfer, _ call: StaticString) throws -> Int? {
        switch transfer {
        case .bytes(let count): return count
        case .endOfStream: return 0
        case .wouldBlock, .interrupted: return nil
        case .failed(let errno): throw SystemError(call: call, errno: errno)
        }
    }

    private static func late(_ what: String) -> DeadlineExceeded {
        DeadlineExceeded(description: "\(what) did not end within \(patience)")
    }
}

// Needs no descriptor, so that it works where none is left; the work must end by itself.
private func onPlainThread<Result: Sendable>(
    _ work: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        do {
            try Thread(name: "test client", stackSize: testStackSize) {
                continuation.resume(with: Swift.Result { try work() })
            }.detach()
        } catch {
            continuation.resume(throwing: error)
        }
    }
}
