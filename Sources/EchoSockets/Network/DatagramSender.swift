import Glibc

/// Sends datagrams to Unix sockets (unix(7)).
///
/// Owns its descriptor.
package struct DatagramSender: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Opens a datagram socket, close-on-exec.
    ///
    /// The corresponding C function is `socket`.
    package init() throws(SystemError) {
        let type = CInt(SOCK_DGRAM.rawValue) | closeOnExecFlag
        let number = try systemCall("socket") { Glibc.socket(AF_UNIX, type, 0) }
        descriptor = Descriptor(adopting: number)
    }

    /// Sends one datagram; blocks while the receiver's queue is full.
    ///
    /// The corresponding C function is `sendto`, with `MSG_NOSIGNAL`.
    ///
    /// - Throws: the reason why it was not delivered.
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
