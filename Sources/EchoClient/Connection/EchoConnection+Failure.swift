import EchoSockets
import Glibc

extension EchoConnection {
    /// Why a call did not do what it was to do.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The kinds of failure.
        @nonexhaustive
        public enum Code: String, Hashable, Sendable {
            /// The host name has no address.
            case unknownHost
            /// No server is there: the port is closed, no route leads there, or there is no such
            /// Unix socket.
            case refused
            /// This user may not connect there (`EACCES`, `EPERM`).
            case permissionDenied
            /// Not everything was done in time.
            case timedOut
            /// The connection broke, usually because the server reset it.
            case reset
            /// The server ended the stream before everything had come back.
            case ended
            /// Other bytes came back than were sent.
            case wrong
            /// The connection has been closed on this side.
            case closed
            /// The task has been cancelled.
            case cancelled
            /// The system lacks a thread or a descriptor, for example.
            case system
        }

        /// The kind.
        public let code: Code
        /// One line that names the endpoint and says what is wrong.
        public let description: String

        init(_ code: Code, _ endpoint: Endpoint, _ reason: String) {
            self.code = code
            description = "\(endpoint): \(reason)"
        }

        init(_ error: ConnectError) {
            code =
                switch error.kind {
                case .unknownHost: .unknownHost
                case .refused: .refused
                case .denied: .permissionDenied
                case .late: .timedOut
                default: .system
                }
            description = "\(error)"
        }

        /// A connection that was established is broken.
        init(lost endpoint: Endpoint, _ error: SystemError) {
            let isLate = error.errno.rawValue == ETIMEDOUT
            self.init(isLate ? .timedOut : .reset, endpoint, "\(error)")
        }
    }
}
