package import EchoSockets
import Glibc

/// Sends a datagram of IPv4 that seems to come from another socket; for root (raw(7)).
///
/// - Parameters:
///   - bytes: what it holds.
///   - source: where it seems to come from: an address of this machine.
///   - destination: where it goes.
/// - Throws: why it could not be sent.
package func forge(
    _ bytes: [UInt8],
    from source: SocketAddress,
    to destination: SocketAddress
) throws {
    let type = CInt(SOCK_RAW.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    let raw = Descriptor(
        adopting: try systemCall("socket") { socket(AF_INET, type, CInt(IPPROTO_UDP)) }
    )
    let number = raw.rawValue
    try systemCall("bind") { unsafe source.withSockaddr { unsafe bind(number, $0, $1) } }
    // The header of RFC 768, without a checksum.
    let header = [source.port ?? 0, destination.port ?? 0, UInt16(8 + bytes.count), 0]
    let packet = header.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } + bytes
    try systemCall("sendto") {
        unsafe destination.withSockaddr { name, length in
            unsafe packet.withUnsafeBytes {
                unsafe sendto(number, $0.baseAddress, $0.count, 0, name, length)
            }
        }
    }
}
