package import EchoSockets
import Glibc

/// A TCP connection over the loopback interface, both ends in the test's hands.
package struct ConnectedPair: ~Copyable, Sendable {
    /// The end that connected.
    package let client: Socket
    /// The end that a listener accepted.
    package let server: Socket

    /// Connects and accepts; both ends are non-blocking.
    ///
    /// - Parameter listener: who accepts; a new one on a free port by default.
    /// - Throws: `SystemError`, or ``DeadlineExceeded``.
    package init(through listener: borrowing Listener) throws {
        let client = try connectedSocket(to: listener.address)
        server = try acceptedSocket(from: listener)
        self.client = client
    }

    /// Connects and accepts on a free port of the IPv4 loopback address.
    package init() throws {
        try self.init(through: try Listener(.loopback(port: 0)))
    }
}

/// Connects to an address; blocks until the connection is established.
///
/// - Returns: the connected socket, non-blocking.
/// - Throws: `SystemError` if it was refused, or ``DeadlineExceeded``.
package func connectedSocket(to address: SocketAddress) throws -> Socket {
    let socket = try Socket(family: address.family)
    if try socket.connect(to: address) { return socket }
    guard isWritable(socket.number) else {
        throw DeadlineExceeded(description: "no connection to \(address)")
    }
    if let error = socket.takeError() { throw SystemError(call: "connect", errno: error) }
    return socket
}

/// Accepts the next connection; blocks until there is one.
///
/// - Parameters:
///   - listener: who accepts.
///   - blocking: whether the accepted socket is to block.
/// - Returns: the accepted socket.
/// - Throws: `SystemError` if accepting failed, or ``DeadlineExceeded``.
package func acceptedSocket(
    from listener: borrowing Listener,
    blocking: Bool = false
) throws -> Socket {
    guard isReadable(listener.number) else {
        throw DeadlineExceeded(description: "nobody connected to \(listener.address)")
    }
    switch listener.accept(blocking: blocking) {
    case .accepted(let socket, _): return socket
    case .nothing: throw SystemError(call: "accept4", errno: Errno(rawValue: EAGAIN))
    case .lost(let error): throw SystemError(call: "accept4", errno: error)
    case .exhausted(let error): throw SystemError(call: "accept4", errno: error)
    case .failed(let error): throw SystemError(call: "accept4", errno: error)
    }
}

extension Socket {
    /// Receives at most so many bytes, and gives them with the outcome.
    package func receiveBytes(
        atMost count: Int = 64 * 1024,
        flags: CInt = 0
    ) -> (outcome: Transfer, bytes: [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: count)
        let outcome = unsafe bytes.withUnsafeMutableBytes {
            unsafe receive(into: $0, flags: flags)
        }
        guard case .bytes(let received) = outcome else { return (outcome, []) }
        return (outcome, Array(bytes.prefix(received)))
    }

    /// Waits on the calling thread until so many bytes have come, or the end, and gives them.
    package func receiveAll(_ count: Int, within limit: Duration = patience) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count, isReadable(number, within: limit) {
            let (outcome, part) = receiveBytes(atMost: count - bytes.count)
            bytes += part
            switch outcome {
            case .bytes, .wouldBlock, .interrupted: continue
            case .endOfStream, .failed: return bytes
            }
        }
        return bytes
    }

    /// Sends bytes.
    @discardableResult
    package func sendBytes(_ bytes: [UInt8], flags: CInt = 0) -> Transfer {
        unsafe bytes.withUnsafeBytes { unsafe send($0, flags: flags) }
    }

    /// Sends text.
    @discardableResult
    package func send(text: String, flags: CInt = 0) -> Transfer {
        sendBytes(Array(text.utf8), flags: flags)
    }
}
