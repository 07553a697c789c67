import CEchoLinux
package import EchoSockets
import Glibc

extension Socket {
    /// The peer's address.
    ///
    /// The corresponding C function is `getpeername`.
    package var peerAddress: SocketAddress? {
        unsafe SocketAddress.read { pointer, length in unsafe getpeername(number, pointer, length) }
    }

    /// Whether the next byte to read follows the urgent mark.
    ///
    /// The corresponding C function is `sockatmark`.
    package var isAtUrgentMark: Bool {
        var value: CInt = 0
        return unsafe clinux_ioctl_int(number, clinux_SIOCATMARK(), &value) == 0 && value != 0
    }
}
