import Glibc

/// Sends datagrams to Unix sockets (unix(7)).
///
/// Owns its descriptor.
package struct DatagramSender: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Opens a datagram socket, close-on-exec, that blocks a limited time when a receiver is slow.
    ///
    /// The corresponding C function is `socket`.
    package init(blockingAtMost limit: Duration) throws(SystemError) {
        let type = CInt(SOCK_DGRAM.rawValue) | closeOnExecFlag
        let number = try systemCall("socket") { Glibc.socket(AF_UNIX, type, 0) }
        let socket = Socket(Descriptor(adopting: number))
        try socket.setBlockingTimeout(limit)
        descriptor = Descriptor(adopting: socket.release())
    }

    /// Sends one datagram.
    ///
    /// The corresponding C function is `sendto`, with `MSG_NOSIGNAL`.
    ///
    /// - Throws: why it was not delivered; `EAGAIN` if the receiver was too slow.
    package func send(_ text: String, to address: SocketAddress) throws(SystemError) {
        let bytes = Array(text.utf8)
        let flags = CInt(MSG_NOSIGNAL)
        let count = unsafe address.withSockaddr { pointer, length in
            unsafe bytes.withUnsafeBytes { bytes in
                transferCall {
                    unsafe sendto(
                        descriptor.rawValue,
                        bytes.baseAddress,
                        bytes.count,
                        flags,
                        pointer,
                        length
                    )
                }
            }
        }
        if count < 0 { throw SystemError(call: "sendto", errno: Errno(rawValue: CInt(-count))) }
    }
}
