import EchoSockets

/// Measures echo servers side by side.
///
/// Each server meets the same loads, in rounds whose order is random, so that what disturbs the
/// machine disturbs all of them alike. Every byte that comes back is compared with what was sent.
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
    public struct Load: Codable, Hashable, Sendable {
        /// Connections that send at the same time.
        public var connections = 1
        /// Bytes of a message, which is echoed as a whole before it counts.
        public var size = 64
        /// Messages that each connection keeps on their way.
        public var inFlight = 1
        /// Messages a second of all connections together, sent on schedule whether or not earlier
        /// answers have come (open loop); `nil` sends each message when an earlier answer has come
        /// (closed loop).
        public var rate: Double?
        /// Whether every message has a connection of its own: connect, echo, close.
        public var isChurn = false
        /// Connections that are open beside the others and send nothing.
        public var idleConnections = 0

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
        let value: BenchServer

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
            Server(
                value: BenchServer(
                    name,
                    .target,
                    .running(endpoint.value, pid: processIdentifier)
                )
            )
        }

        /// A command that starts a server, afresh for each round.
        ///
        /// The caller's process must not ignore `SIGCHLD`.
        ///
        /// - Parameters:
        ///   - name: its name in the report.
        ///   - command: for the shell; `PORT` in it stands for the port of 127.0.0.1 that the server
        ///     is to listen on.
        /// - Returns: the server.
        public static func command(_ name: String, _ command: String) -> Server {
            Server(value: BenchServer(name, .command, .shell(command)))
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
        /// One line that says what is wrong.
        public let description: String
    }

    /// Measures.
    ///
    /// A server that cannot be measured is no failure: its ``Result/failure`` says why. If the task
    /// is cancelled, the round that runs is given up, and the report has those before it.
    ///
    /// - Returns: what was measured.
    /// - Throws: ``Failure`` if a value is out of its range, or the system has no thread or
    ///   descriptor left.
    public func run() async throws(Failure) -> Report {
        try validate()
        var runner = BenchRunner(servers.map(\.value), loads)
        runner.rounds = rounds
        runner.roundTime = roundTime
        runner.warmUp = warmUp
        runner.seed = seed
        let (measurement, stop) = (runner, ClientStop())
        return try await ClientThread.report(stop) {
            measurement.report(tool: "EchoBench", command: "", stop) { _ in }
        }
    }

    private func validate() throws(Failure) {
        let complaint: String? =
            if servers.isEmpty {
                "there is no server"
            } else if loads.isEmpty {
                "there is no load"
            } else if rounds < 1 || roundTime <= .zero || warmUp < .zero {
                "there must be a round, of more than no time"
            } else if let load = loads.first(where: { !$0.isPossible }) {
                "the load is not possible: \(load.label)"
            } else {
                nil
            }
        if let complaint { throw Failure(description: complaint) }
    }
}

extension EchoBench.Load {
    fileprivate var isPossible: Bool {
        connections >= 1 && size >= 1 && inFlight >= 1 && idleConnections >= 0
            && (rate.map { $0 > 0 && !isChurn } ?? true)
            && size.multipliedReportingOverflow(by: inFlight).partialValue <= 1 << 30
            && !size.multipliedReportingOverflow(by: inFlight).overflow
    }
}

extension ClientThread {
    fileprivate static func report(
        _ stop: ClientStop,
        _ body: @escaping @Sendable () -> EchoBench.Report
    ) async throws(EchoBench.Failure) -> EchoBench.Report {
        do throws(SystemError) {
            return try await run(name: "echo bench", stop: stop) { _ in body() }
        } catch {
            throw EchoBench.Failure(description: "\(error)")
        }
    }
}
