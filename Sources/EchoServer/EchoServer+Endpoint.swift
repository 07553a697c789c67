import Sockets

extension EchoServer {
    /// A place to listen on, or a peer: a TCP host and port, or a Unix socket.
    public struct Endpoint: Hashable, Sendable {
        let value: Sockets.Endpoint

        init(_ value: Sockets.Endpoint) {
            self.value = value
        }

        init(_ address: SocketAddress) {
            switch address {
            case .ipv4(_, let port), .ipv6(_, _, let port, _):
                value = .tcp(host: address.host, port: port)
            case .unix(let path):
                value = .unix(path: path)
            }
        }

        /// A host and a TCP port.
        ///
        /// - Parameters:
        ///   - host: a name or a numeric IPv4 or IPv6 address. `localhost` stands for 127.0.0.1
        ///     and ::1, `*` for every address of the machine.
        ///   - port: 0 lets the kernel choose; ``EchoServer/start()`` says which it was.
        /// - Returns: the endpoint; whether the host exists is found out when it is used.
        public static func tcp(_ host: String, port: UInt16) -> Endpoint {
            Endpoint(.tcp(host: host, port: port))
        }

        /// A Unix stream socket.
        ///
        /// - Parameter path: at most 107 bytes; one that starts with NUL is an abstract name,
        ///   see unix(7).
        /// - Returns: the endpoint.
        public static func unix(_ path: String) -> Endpoint {
            Endpoint(.unix(path: path))
        }

        /// Parses an endpoint as the command line takes it: `PORT` (of localhost), `HOST:PORT`,
        /// `[V6]:PORT`, `*:PORT`, `unix:PATH` or `unix:@NAME`.
        ///
        /// - Throws: ``EchoServer/Failure`` with code ``EchoServer/Failure/Code/invalidEndpoint``
        ///   that names the text and what is wrong with it.
        public init(parsing text: String) throws {
            do {
                value = try Sockets.Endpoint(parsing: text)
            } catch {
                throw Failure(
                    .invalidEndpoint,
                    "invalid endpoint \"\(text.escapedForLog)\": "
                        + error.description.escapedForLog
                )
            }
        }

        /// The TCP port; `nil` for a Unix socket.
        public var port: UInt16? {
            guard case .tcp(_, let port) = value else { return nil }
            return port
        }

        /// The host; `nil` for a Unix socket.
        public var host: String? {
            guard case .tcp(let host, _) = value else { return nil }
            return host
        }

        /// The path of a Unix socket; `nil` for TCP.
        public var path: String? {
            guard case .unix(let path) = value else { return nil }
            return path
        }
    }
}

extension EchoServer.Endpoint: CustomStringConvertible {
    /// The endpoint as the command line takes it, for example `[::1]:5150`.
    public var description: String { value.description }
}

extension String {
    /// The text with everything escaped that could move the cursor, end the line or mislead about
    /// the order of characters, so that it stays one line and shows what it holds.
    package var escapedForLog: String {
        unicodeScalars.reduce(into: "") { text, scalar in
            if scalar.misleadsInLog {
                text += scalar.escaped(asASCII: true)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }
}

extension Unicode.Scalar {
    /// Whether a log must not hold it as it is.
    package var misleadsInLog: Bool {
        if isASCII { return value < 0x20 || value == 0x7F }
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: return true
        // Joiners belong to the spelling of some scripts; the other format characters, such as those
        // that reverse the direction of writing, serve to mislead.
        case .format: return value != 0x200C && value != 0x200D
        default: return false
        }
    }
}
