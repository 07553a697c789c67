package import EchoSockets
import Glibc

/// Why the reactor refused or failed.
package enum ReactorError: Error, Sendable {
    /// libevent has no such method here, or could not start it.
    case methodUnavailable(String)
    /// The descriptor's number is too large for `select(2)`, which takes 0 to 1023. libevent would
    /// abort the process (PF-1), so it never sees such a one.
    case descriptorOutOfRange(CInt)
    /// A wait names no event, or more than 64 (ES-8).
    case invalidEventCount(Int)
    /// A wait for all events names one twice (ES-8).
    case duplicateEvent
    /// A wait names an event that is closed, or that was closed during the wait (ES-11).
    case eventClosed
    /// The socket or its selection has been closed.
    case socketClosed
    /// A system call failed.
    case system(SystemError)
}

extension ReactorError: CustomStringConvertible {
    /// The reason in words.
    package var description: String {
        switch self {
        case .methodUnavailable(let method):
            "libevent's method \"\(method)\" is not available"
        case .descriptorOutOfRange(let number):
            "descriptor \(number) is beyond what select(2) can watch (0 to 1023)"
        case .invalidEventCount(let count):
            "a wait takes 1 to 64 events, not \(count)"
        case .duplicateEvent:
            "a wait for all events takes each only once"
        case .eventClosed:
            "the event is closed"
        case .socketClosed:
            "the socket is closed"
        case .system(let error):
            "\(error)"
        }
    }
}

extension ReactorError {
    /// The error number that comes closest.
    package var errno: Errno {
        switch self {
        case .system(let error): error.errno
        case .descriptorOutOfRange: Errno(rawValue: EMFILE)
        case .methodUnavailable: Errno(rawValue: ENOSYS)
        case .invalidEventCount, .duplicateEvent: Errno(rawValue: EINVAL)
        case .eventClosed, .socketClosed: Errno(rawValue: EBADF)
        }
    }
}
