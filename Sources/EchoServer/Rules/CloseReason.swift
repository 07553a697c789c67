import EchoSockets
import Glibc

extension EchoServer.CloseReason {
    /// The reason that a failed transfer stands for.
    init(_ errno: Errno) {
        switch errno.rawValue {
        case ECONNRESET, ECONNABORTED, EPIPE: self = .reset
        // The reason that the network gave before the time was over, or that the time is over.
        case ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: self = .peerLost
        default: self = .failed
        }
    }
}
