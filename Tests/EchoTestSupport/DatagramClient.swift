package import EchoSockets
import Glibc

/// A UDP client whose calls block, within the tests' patience.
package final class DatagramClient: Sendable {
    /// What has come, and from where.
    package struct Received: Hashable, Sendable {
        /// The datagram.
        package let bytes: [UInt8]
        /// Its source.
        package let source: SocketAddress
    }

    private let socket: Socket
    /// Where it is bound.
    package let address: SocketAddress

    /// Opens one.
    ///
    /// - Parameter address: where it is bound.
    /// - Throws: why it cannot be.
    package init(at address: SocketAddress = .loopback(port: 0)) throws {
        let type = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket") { Glibc.socket(address.family, type, 0) }
        let socket = Socket(Descriptor(adopting: number))
        // For bursts.
        try socket.setOption(level: SOL_SOCKET, SO_RCVBUF, 4 << 20)
        try systemCall("bind") { unsafe address.withSockaddr { unsafe bind(number, $0, $1) } }
        self.address = try socket.boundAddress()
        self.socket = socket
    }

    /// Allows it to send to broadcast addresses.
    package func allowBroadcast() throws {
        try socket.setOption(level: SOL_SOCKET, SO_BROADCAST, 1)
    }

    /// Has the kernel send datagrams of a length for each message (`UDP_SEGMENT`); 0 for one.
    package func setSegmentLength(_ length: Int) throws {
        try socket.setOption(level: CInt(IPPROTO_UDP), 103, CInt(length))
    }

    /// Sends a datagram.
    package func send(_ bytes: [UInt8], to address: SocketAddress) throws {
        let number = socket.number
        try systemCall("sendto") {
            unsafe address.withSockaddr { name, length in
                unsafe bytes.withUnsafeBytes {
                    unsafe sendto(number, $0.baseAddress, $0.count, 0, name, length)
                }
            }
        }
    }

    /// Waits for a datagram; `nil` if none comes.
    package func receive(within limit: Duration = patience) throws -> Received? {
        guard isReadable(socket.number, within: limit) else { return nil }
        let number = socket.number
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var count = -1
        let source = unsafe SocketAddress.read { name, length in
            count = unsafe bytes.withUnsafeMutableBytes {
                unsafe recvfrom(number, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT), name, length)
            }
            return CInt(count)
        }
        guard count >= 0, let source else { return nil }
        return Received(bytes: Array(bytes.prefix(count)), source: source)
    }

    /// Sends a datagram, and waits for the next that comes.
    package func exchange(_ bytes: [UInt8], with address: SocketAddress) throws -> Received? {
        try send(bytes, to: address)
        return try receive()
    }
}
