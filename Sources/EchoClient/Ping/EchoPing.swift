/// Probes echo servers on a fixed schedule, and verifies every byte that comes back.
///
/// Works with any RFC 862 server over TCP or UDP, and over Unix sockets. One thread serves all
/// endpoints.
///
/// ```swift
/// var ping = EchoPing(try EchoEndpoint(parsing: "localhost:7"))
/// ping.count = 10
/// let report = try await ping.run()
/// print(report.endpoints[0].roundTrip?.maximum ?? "no answer")
/// ```
///
/// Probe k of an endpoint is due at the common start plus k intervals; endpoints are spread evenly
/// over the interval. A probe that has no answer yet does not delay the next one: on a kept
/// connection, answers are told apart by their place in the stream; over UDP by a number that each
/// probe holds, in whatever order they come. Round trips are measured from the send to the last
/// byte of the echo, and never halved; looking up a name and connecting do not count.
///
/// Over UDP a probe that is refused (an ICMP error) is lost, and the next one is sent all the same:
/// to the next address if the name has several. The numbers of probes of 1 byte repeat: at most 256
/// of them wait for their echo at a time. A server may limit the datagrams that it answers, as
/// those of this package do: to 1,000 a second from one source, unless told otherwise.
public struct EchoPing: Hashable, Sendable {
    /// What the probes of an endpoint are sent on.
    public enum Connections: String, Hashable, Sendable {
        /// One connection, which is reopened when it is broken; over UDP one socket.
        case kept
        /// A new connection for each probe; over UDP a new socket, and so a new port.
        case new
    }

    /// The bytes that a probe may have over a connection.
    public static let sizes = 1...65_536
    /// The bytes that a probe may have over UDP: what an IPv4 packet has room for (RFC 768).
    public static let datagramSizes = 1...65_507
    /// How far apart probes may be.
    public static let intervals = Duration.microseconds(100)...Duration.seconds(86_400)

    /// The servers, in the order of the report.
    public var endpoints: [EchoEndpoint]
    /// From one probe of an endpoint to its next; one of ``intervals``.
    public var interval = Duration.seconds(1)
    /// Probes for each endpoint; `nil` for no end.
    public var count: Int?
    /// Bytes of a probe; one of ``sizes``, and of ``datagramSizes`` if an endpoint is of UDP.
    public var size = 64
    /// How long after it was due a probe is lost, its connection included.
    public var timeout = Duration.seconds(2)
    /// What probes are sent on.
    public var connections = Connections.kept

    /// A probe of 64 bytes a second for each of several servers.
    public init(_ endpoints: [EchoEndpoint]) {
        self.endpoints = endpoints
    }

    /// A probe of 64 bytes a second for one server.
    public init(_ endpoint: EchoEndpoint) {
        self.init([endpoint])
    }

    /// Why nothing was measured.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The kinds of failure.
        @nonexhaustive
        public enum Code: Hashable, Sendable {
            /// The values contradict what they are documented to be.
            case invalidConfiguration
            /// The system lacks a thread or a descriptor.
            case system
        }

        /// The kind.
        public let code: Code
        /// One line that says what is wrong.
        public let description: String
    }

    func validate() throws(Failure) {
        let complaint: String? =
            if endpoints.isEmpty {
                "there is no endpoint"
            } else if !Self.intervals.contains(interval) {
                "the interval is not from 100us to 24h"
            } else if !Self.sizes.contains(size) {
                "the size is not from 1 to 65536 bytes"
            } else if let endpoint = endpoints.first(where: \.isDatagram),
                !Self.datagramSizes.contains(size)
            {
                "\(size) bytes do not fit a datagram for \(endpoint): 65507 do"
            } else if timeout <= .zero || timeout > .seconds(86_400) {
                "the timeout is not more than zero, and at most 24h"
            } else if let count, count < 1 {
                "the count is less than 1"
            } else {
                nil
            }
        if let complaint { throw Failure(code: .invalidConfiguration, description: complaint) }
    }
}
