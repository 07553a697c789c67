import EchoReactor
import EchoSockets

/// An error of a lower layer that stems from a system call.
protocol ErrnoCarrying: Error {
    /// What the call left in `errno`, or what comes closest.
    var errno: Errno { get }
}

extension SystemError: ErrnoCarrying {}
extension ReactorError: ErrnoCarrying {}
