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

        init(_ endpoint: EchoEndpoint, _ failure: CallFailure) {
            code = failure.code
            description =
                if case .connect(let error) = failure {
                    "\(error)"
                } else {
                    "\(endpoint): \(failure.reason)"
                }
        }
    }
}

extension CallFailure {
    fileprivate var code: EchoConnection.Failure.Code {
        switch self {
        case .connect(let error):
            switch error.kind {
            case .unknownHost: .unknownHost
            case .refused: .refused
            case .denied: .permissionDenied
            case .late: .timedOut
            default: .system
            }
        // The kernel notices in the end that the other side is gone without a word.
        case .lost(let error): error.errno.rawValue == ETIMEDOUT ? .timedOut : .reset
        case .ended: .ended
        case .wrong: .wrong
        case .late: .timedOut
        case .closed: .closed
        case .cancelled: .cancelled
        case .system: .system
        }
    }

    fileprivate var reason: String {
        switch self {
        case .connect(let error): "\(error)"
        case .lost(let error), .system(let error): "\(error)"
        case .ended(let count, let all):
            "the server ended the stream after \(count) of \(all) bytes"
        case .wrong(let difference): "the answer \(difference)"
        case .late(let timeout): "no answer within \(timeout.shortText)"
        case .closed(let reason): reason
        case .cancelled: "the task has been cancelled"
        }
    }
}
