import EchoSockets
import Glibc

extension EchoServer.CloseReason {
    /// The reason for a failed transfer.
    init(_ errno: Errno) {
        switch errno.rawValue {
        case ECONNRESET, ECONNABORTED, EPIPE: self = .reset
        // The network's error before the time was over, or that the time is over.
        case ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: self = .peerLost
        default: self = .failed
        }
    }
}
