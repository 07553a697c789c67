package import EchoSockets

/// A server to talk to: a host and a port of TCP or UDP, or a Unix socket.
///
/// Other kinds may be added. A `switch` over an endpoint therefore ends with `@unknown default`.
@nonexhaustive
public enum EchoEndpoint: Hashable, Sendable {
    /// A host and a TCP port.
    ///
    /// The host is a name or a numeric IPv4 or IPv6 address; a name is looked up when it is used.
    /// `localhost` stands for 127.0.0.1 and ::1.
    case tcp(_ host: String, port: UInt16)

    /// A host and a UDP port.
    ///
    /// The host is as with TCP.
    case udp(_ host: String, port: UInt16)

    /// The path of a Unix stream socket: at most 107 bytes; one that starts with NUL is an abstract
    /// name, see unix(7).
    case unix(_ path: String)

    /// Why a text is not an endpoint.
    public struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
        /// One line that names the text and, where possible, says what to write instead.
        public let description: String
    }

    /// Parses an endpoint in the command line's form: `PORT` (of localhost), `HOST:PORT`,
    /// `[V6]:PORT`, each of these after `udp:`, `unix:PATH` or `unix:@NAME`.
    ///
    /// - Throws: ``ParseError``, which says what is wrong with the text.
    public init(parsing text: String) throws(ParseError) {
        do throws(Endpoint.ParseError) {
            self.init(try Endpoint(parsing: text))
        } catch {
            let reason = error.description.escapedForLog
            throw ParseError(
                description: "invalid endpoint \"\(text.escapedForLog)\": \(reason)"
            )
        }
    }

    /// An endpoint that has been parsed already.
    package init(_ endpoint: Endpoint) {
        switch endpoint {
        case .tcp(let host, let port): self = .tcp(host, port: port)
        case .udp(let host, let port): self = .udp(host, port: port)
        case .unix(let path): self = .unix(path)
        }
    }

    /// Whether it is for datagrams: UDP.
    package var isDatagram: Bool { value.isDatagram }

    /// The same in the words of the sockets.
    package var value: Endpoint {
        switch self {
        case .tcp(let host, let port): .tcp(host: host, port: port)
        case .udp(let host, let port): .udp(host: host, port: port)
        case .unix(let path): .unix(path: path)
        }
    }
}

extension EchoEndpoint: CustomStringConvertible {
    /// The endpoint in the command line's form, for example `[::1]:5150`.
    public var description: String { value.description }
}
