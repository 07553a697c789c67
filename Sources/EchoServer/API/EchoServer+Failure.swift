package import EchoSockets
import Glibc

extension EchoServer {
    /// Why a server could not do what was asked: a code for a program, one line for a person, and
    /// the kernel's error number where there is one.
    public struct Failure: Error, Sendable {
        /// Kinds of failure.
        ///
        /// More may be added.
        public struct Code: Hashable, Sendable, CustomStringConvertible {
            /// The name of the code.
            public let description: String

            /// A text is not an endpoint.
            public static let invalidEndpoint = Code(description: "invalidEndpoint")
            /// A value of the configuration is out of range, or two contradict each other.
            public static let invalidConfiguration = Code(description: "invalidConfiguration")
            /// A host name has no address.
            public static let unknownHost = Code(description: "unknownHost")
            /// The address is in use (`EADDRINUSE`).
            public static let addressInUse = Code(description: "addressInUse")
            /// The machine has no such address, or the path cannot be used.
            public static let addressUnavailable = Code(description: "addressUnavailable")
            /// Listening there is not permitted (`EACCES`, `EPERM`).
            public static let permissionDenied = Code(description: "permissionDenied")
            /// An inherited descriptor is neither a listening stream socket nor a UDP socket, or
            /// another server has it.
            public static let unusableSocket = Code(description: "unusableSocket")
            /// The server was started before.
            public static let alreadyStarted = Code(description: "alreadyStarted")
            /// The server was shut down before; create another.
            public static let alreadyShutDown = Code(description: "alreadyShutDown")
            /// The operating system refused something else.
            public static let system = Code(description: "system")
        }

        /// The kind of failure.
        public let code: Code
        /// One line that names what was attempted and why it failed.
        public let message: String
        /// The kernel's error number, as in errno(3).
        public let errorNumber: Int32?

        /// A failure; the command creates some, too.
        package init(_ code: Code, _ message: String, errno: Errno? = nil) {
            self.code = code
            self.message = message
            errorNumber = errno?.rawValue
        }

        /// A failure to listen on an address.
        ///
        /// - Parameters:
        ///   - address: the address.
        ///   - error: the reason.
        ///   - group: the requested group of the Unix socket's file.
        ///   - isDatagram: whether it is an address of UDP.
        package init(
            listeningOn address: SocketAddress,
            _ error: SystemError,
            group: String? = nil,
            isDatagram: Bool = false
        ) {
            let place = (isDatagram ? "udp:" : "") + "\(address)"
            if let explanation = address.explanation(of: error.errno) {
                self.init(
                    .addressUnavailable,
                    "cannot listen on \(place): \(explanation)",
                    errno: error.errno
                )
                return
            }
            let code: Code =
                switch error.errno.rawValue {
                case EADDRINUSE: .addressInUse
                case EACCES, EPERM: .permissionDenied
                case EADDRNOTAVAIL, EAFNOSUPPORT, ENOENT, ENOTDIR, ENAMETOOLONG, EROFS, ELOOP:
                    .addressUnavailable
                default: .system
                }
            var reason = "\(error.errno)"
            if "\(error.call)" == "chown", let group {
                reason = "cannot give it to the group \(group.escapedForLog): \(error.errno)"
            }
            self.init(code, "cannot listen on \(place): \(reason)", errno: error.errno)
        }
    }
}

extension EchoServer.Failure: CustomStringConvertible {
    /// The one-line message.
    public var description: String { message }
}
