import EchoSockets
import Glibc

/// Why a connection ended.
enum CloseCause: UInt8, CaseIterable, Sendable {
    /// The peer sent its last byte and was given all that it was owed.
    case peerClosed
    /// The peer reset the connection, or went away without reading what it was owed.
    case reset
    /// The peer has stopped answering: it acknowledged neither the kernel's questions nor what it
    /// was owed, in time.
    case peerLost
    /// The connection failed otherwise: the network, the kernel.
    case failed
    /// Nothing moved in either direction for the idle timeout.
    case idleTimeout
    /// The server is shutting down, the connection had become quiet, and all was delivered.
    case drained
    /// The server closed the connection before everything was delivered: the drain timeout had
    /// passed, or shutdown was to be immediate.
    case aborted

    /// The cause that a failed transfer stands for.
    init(_ errno: Errno) {
        switch errno.rawValue {
        case ECONNRESET, ECONNABORTED, EPIPE: self = .reset
        // The reason that the network gave before the time was over, or that the time is over.
        case ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: self = .peerLost
        default: self = .failed
        }
    }
}
