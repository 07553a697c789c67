import EchoSockets
import Logging

extension ServerLog {
    /// A datagram socket cannot be served any more, or at all.
    ///
    /// Logged once for each.
    func datagramsFailed(_ endpoint: SocketAddress, _ errno: Errno) {
        outlet.log(
            .error,
            "datagram socket failed; no further datagrams are answered on it",
            [Key.endpoint: "udp:\(Self.text(endpoint))", Key.error: "\(errno)"]
        )
    }

    /// Receiving from a datagram socket keeps failing; it is tried again and again.
    ///
    /// Logged once an episode.
    func receivingFails(_ endpoint: SocketAddress, _ errno: Errno) {
        outlet.log(
            .warning,
            "cannot receive datagrams for now",
            [Key.endpoint: "udp:\(Self.text(endpoint))", Key.error: "\(errno)"]
        )
    }
}
