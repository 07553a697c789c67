package import EchoSockets

extension EchoServer {
    /// A place to listen on, or a peer: a TCP or UDP host and port, or a Unix socket.
    ///
    /// Other kinds may be added. A `switch` over an endpoint therefore ends with
    /// `@unknown default`, and then keeps compiling:
    ///
    /// ```swift
    /// for endpoint in server.endpoints {
    ///     switch endpoint {
    ///     case .tcp(let host, let port): print("TCP port", port, "of", host)
    ///     case .udp(let host, let port): print("UDP port", port, "of", host)
    ///     case .unix(let path): print("the Unix socket", path)
    ///     @unknown default: print("something else:", endpoint)
    ///     }
    /// }
    /// ```
    @nonexhaustive
    public enum Endpoint: Hashable, Sendable {
        /// A host and a TCP port.
        ///
        /// The host is a name or a numeric IPv4 or IPv6 address; whether it exists is checked when
        /// it is used. `localhost` stands for 127.0.0.1 and ::1, `*` for every address of the
        /// machine. With port 0 the kernel chooses; ``EchoServer/start()`` returns the result.
        case tcp(_ host: String, port: UInt16)

        /// A host and a UDP port; the host as for TCP.
        ///
        /// Datagrams of up to 65,507 bytes are sent back, each by itself (RFC 862).
        case udp(_ host: String, port: UInt16)

        /// The path of a Unix stream socket: at most 107 bytes; one that starts with NUL is an
        /// abstract name, see unix(7).
        case unix(_ path: String)

        /// - Parameters:
        ///   - address: where a socket is bound.
        ///   - isDatagram: whether it is of UDP.
        init(_ address: SocketAddress, isDatagram: Bool = false) {
            switch address {
            case .ipv4(_, let port), .ipv6(_, _, let port, _):
                let host = address.host
                self = isDatagram ? .udp(host, port: port) : .tcp(host, port: port)
            case .unix(let path): self = .unix(path)
            }
        }

        /// The same in the words of the sockets.
        package var value: EchoSockets.Endpoint {
            switch self {
            case .tcp(let host, let port): .tcp(host: host, port: port)
            case .udp(let host, let port): .udp(host: host, port: port)
            case .unix(let path): .unix(path: path)
            }
        }

        /// An endpoint that has been parsed already.
        package init(_ endpoint: EchoSockets.Endpoint) {
            switch endpoint {
            case .tcp(let host, let port): self = .tcp(host, port: port)
            case .udp(let host, let port): self = .udp(host, port: port)
            case .unix(let path): self = .unix(path)
            }
        }

        /// Parses an endpoint in the command line's form: `PORT` (of localhost), `HOST:PORT`,
        /// `[V6]:PORT`, `*:PORT`, each of these after `udp:`, `unix:PATH` or `unix:@NAME`.
        ///
        /// - Throws: ``EchoServer/Failure`` with code ``EchoServer/Failure/Code/invalidEndpoint``
        ///   that names the text and what is wrong with it.
        public init(parsing text: String) throws(Failure) {
            do throws(EchoSockets.Endpoint.ParseError) {
                self.init(try EchoSockets.Endpoint(parsing: text))
            } catch {
                throw Failure(
                    .invalidEndpoint,
                    "invalid endpoint \"\(text.escapedForLog)\": "
                        + error.description.escapedForLog
                )
            }
        }

        /// The TCP or UDP port; `nil` for a Unix socket.
        public var port: UInt16? {
            switch self {
            case .tcp(_, let port), .udp(_, let port): port
            case .unix: nil
            }
        }

        /// The host; `nil` for a Unix socket.
        public var host: String? {
            switch self {
            case .tcp(let host, _), .udp(let host, _): host
            case .unix: nil
            }
        }

        /// The path of a Unix socket; `nil` for TCP and UDP.
        public var path: String? {
            guard case .unix(let path) = self else { return nil }
            return path
        }
    }
}

extension EchoServer.Endpoint: CustomStringConvertible {
    /// The endpoint in the command line's form, for example `[::1]:5150`.
    public var description: String { value.description }
}
