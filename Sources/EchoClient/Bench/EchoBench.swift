/// Measures echo servers side by side.
///
/// Each server meets the same loads, in rounds whose order is random, so that what disturbs the
/// machine disturbs all of them alike. Every byte that comes back is compared with what was sent.
/// Servers may be asked over TCP, Unix sockets or UDP.
///
/// ```swift
/// var bench = EchoBench([
///     .running("ours", at: .tcp("127.0.0.1", port: 5150)),
///     .command("cat", "socat TCP-LISTEN:PORT,fork EXEC:cat"),
/// ])
/// bench.loads[0].connections = 50
/// let report = try await bench.run()
/// ```
public struct EchoBench: Sendable {
    /// What the clients do in one round.
    ///
    /// Over UDP a connection is a socket, and a message a datagram, which is lost if its echo does
    /// not come within 250 ms; nothing else can be idle, or have a connection of its own.
    public struct Load: Codable, Hashable, Sendable {
        /// Connections that send at the same time.
        public var connections = 1
        /// Bytes of a message, which is echoed as a whole before it counts.
        public var size = 64
        /// Messages that each connection keeps on their way.
        public var inFlight = 1
        /// Messages a second of all connections together, from 0.001 to 10,000,000, sent on
        /// schedule whether or not earlier answers have come (open loop); `nil` sends each message
        /// when an earlier answer has come (closed loop).
        public var rate: Double?
        /// Whether every message has a connection of its own: connect, echo, close.
        public var isChurn = false
        /// Connections that are open beside the others and send nothing.
        public var idleConnections = 0

        /// The rates of an open loop.
        package static let rates = 0.001...10_000_000

        /// One connection with one message of 64 bytes on its way.
        public init() {}
    }

    /// Where a server comes from.
    public enum SubjectKind: String, Codable, Hashable, Sendable {
        /// An I/O model of this package, started for the measurement.
        case model
        /// A server that is running anyway.
        case target
        /// Another program, started for the measurement.
        case command
    }

    /// A server to be measured, and how to have it run.
    public struct Server: Sendable {
        package enum Source: Sendable {
            /// It runs already; `nil` where its process is not known.
            case running(EchoEndpoint, process: Int32?)
            /// A program that prints a line with `listening on ENDPOINT` once it accepts.
            case announcing([String])
            /// A command for the shell, with `PORT` in it, and whether that is one of UDP.
            case shell(String, isDatagram: Bool)
        }

        /// Its name in reports.
        public let name: String
        /// Where it comes from.
        public let kind: SubjectKind
        package let source: Source

        package init(_ name: String, _ kind: SubjectKind, _ source: Source) {
            self.name = name
            self.kind = kind
            self.source = source
        }

        /// A server that runs already.
        ///
        /// - Parameters:
        ///   - name: its name in the report.
        ///   - endpoint: where it listens.
        ///   - processIdentifier: its process, whose costs are then measured, as far as the caller
        ///     may look at it (proc(5)).
        /// - Returns: the server.
        public static func running(
            _ name: String,
            at endpoint: EchoEndpoint,
            processIdentifier: Int32? = nil
        ) -> Server {
            Server(name, .target, .running(endpoint, process: processIdentifier))
        }

        /// A command that starts a server, afresh for each round.
        ///
        /// The caller's process must not ignore `SIGCHLD`.
        ///
        /// - Parameters:
        ///   - name: its name in the report.
        ///   - command: for the shell; `PORT` in it stands for the port of 127.0.0.1 that the
        ///     server is to listen on.
        ///   - overUDP: whether that is a port of UDP.
        /// - Returns: the server.
        public static func command(
            _ name: String,
            _ command: String,
            overUDP: Bool = false
        ) -> Server {
            Server(name, .command, .shell(command, isDatagram: overUDP))
        }
    }

    /// The servers; ratios refer to the first.
    public var servers: [Server]
    /// What their clients do.
    public var loads = [Load()]
    /// Rounds of each server and load, at least 1.
    public var rounds = 5
    /// How long a round is measured.
    public var roundTime = Duration.seconds(1)
    /// How long a round runs before it is measured.
    public var warmUp = Duration.milliseconds(250)
    /// The order of the rounds and the bytes sent follow from it.
    public var seed = UInt64.random(in: 1...UInt64(1 << 53))

    /// A measurement of servers under one load of one connection.
    public init(_ servers: [Server]) {
        self.servers = servers
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
}
