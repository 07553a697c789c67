package import EchoSockets
import Glibc

/// Why there is no connection to an endpoint.
package struct ConnectError: Error, Sendable {
    /// The kind of failure, in ascending order of how much it says about the server.
    package enum Reason: Sendable {
        /// Anything else, such as running out of descriptors.
        case other(SystemError)
        /// The host name has no address.
        case resolution(Endpoint.ResolutionError)
        /// No route leads there (`ENETUNREACH`, `EHOSTUNREACH` and the like).
        case unreachable(Errno)
        /// No server can be there: the path is not that of a socket, or the address lacks its
        /// network interface.
        case unusable(String)
        /// There was no answer in time.
        case timedOut
        /// Nothing listens there: the port is closed, or there is no such Unix socket.
        case refused(Errno)
        /// This user may not connect there.
        case permissionDenied(Errno)
    }

    /// The endpoint of the attempt.
    package let endpoint: Endpoint
    /// The reason for the failure.
    package let reason: Reason

    /// Sorts the error of a failed attempt.
    ///
    /// - Parameters:
    ///   - endpoint: the endpoint of the attempt.
    ///   - error: the attempt's error.
    ///   - address: which of the endpoint's addresses was tried; `nil` if none was.
    package init(_ endpoint: Endpoint, _ error: SystemError, at address: SocketAddress? = nil) {
        self.endpoint = endpoint
        if let explanation = address?.explanation(of: error.errno) {
            reason = .unusable(explanation)
            return
        }
        reason =
            switch error.errno.rawValue {
            case ECONNREFUSED, ENOENT, ECONNRESET: .refused(error.errno)
            case EACCES, EPERM: .permissionDenied(error.errno)
            case ETIMEDOUT, EAGAIN: .timedOut
            case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, EADDRNOTAVAIL, EAFNOSUPPORT:
                .unreachable(error.errno)
            default: .other(error)
            }
    }

    /// A failure without a failed system call.
    init(_ endpoint: Endpoint, _ reason: Reason) {
        self.endpoint = endpoint
        self.reason = reason
    }

    /// The kind of failure, for exit codes and reports.
    package var kind: FailureKind {
        switch reason {
        case .other: .local
        case .resolution: .unknownHost
        case .unreachable, .unusable, .refused: .refused
        case .timedOut: .late
        case .permissionDenied: .denied
        }
    }

    // Of the failures of several addresses, the most informative.
    var weight: Int {
        switch reason {
        case .other: 0
        case .resolution: 1
        case .unreachable: 2
        case .unusable: 3
        case .timedOut: 4
        case .refused: 5
        case .permissionDenied: 6
        }
    }
}

extension ConnectError: CustomStringConvertible {
    /// One line that names the endpoint, such as
    /// `cannot connect to localhost:5150: Connection refused`.
    package var description: String {
        "cannot connect to \(endpoint): \(reason)"
    }
}

extension ConnectError.Reason: CustomStringConvertible {
    /// For example `Connection refused`.
    package var description: String {
        switch self {
        case .other(let error): error.description
        case .resolution(let error): error.description
        case .unreachable(let error), .refused(let error), .permissionDenied(let error):
            error.description
        case .unusable(let explanation): explanation
        case .timedOut: "no answer in time"
        }
    }
}
