import ArgumentParser
import EchoClient
import EchoSockets

/// The flags for what is probed.
struct PingPlan: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Time from one probe of an endpoint to the next, 100us to 24h. (default: 1s)",
            valueName: "duration"
        ),
        transform: PingPlan.interval
    )
    var interval: Duration = .seconds(1)

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "Probes for each endpoint. (default: no end; 5 with --nagios)",
            valueName: "count"
        ),
        transform: Parse.count(1...1_000_000_000)
    )
    var count: Int?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Bytes of a probe, 1 to 64KiB; over UDP, at most 65507. (default: 64)",
            valueName: "size"
        ),
        transform: Parse.size(EchoPing.sizes)
    )
    var size = 64

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Time after which a probe is lost, connecting included. (default: 2s)",
            valueName: "duration"
        ),
        transform: PingPlan.timeout
    )
    var timeout: Duration = .seconds(2)

    @Flag(name: .long, help: "Open a new connection for each probe.")
    var newConnection = false

    /// Refuses what the endpoints cannot take.
    func check(for endpoints: [Endpoint]) throws {
        guard let endpoint = endpoints.first(where: \.isDatagram),
            !EchoPing.datagramSizes.contains(size)
        else { return }
        throw ValidationError(
            "--size \(Quantity.text(size)) does not fit a datagram for \(endpoint): "
                + "UDP takes \(EchoPing.datagramSizes.upperBound) bytes at most"
        )
    }

    @Sendable private static func interval(_ text: String) throws -> Duration {
        let interval = try Parse.duration(text)
        guard EchoPing.intervals.contains(interval) else {
            throw ValidationError("it must be from 100us to 24h")
        }
        return interval
    }

    @Sendable private static func timeout(_ text: String) throws -> Duration {
        let timeout = try Parse.positiveDuration(text)
        guard timeout <= EchoPing.intervals.upperBound else {
            throw ValidationError("it must be 24h at most")
        }
        return timeout
    }

    /// What the flags ask for.
    ///
    /// - Parameters:
    ///   - endpoints: the servers.
    ///   - standardCount: probes for each, unless a flag says how many.
    /// - Returns: the ping.
    func ping(_ endpoints: [EchoEndpoint], standardCount: Int?) -> EchoPing {
        var ping = EchoPing(endpoints)
        ping.interval = interval
        ping.count = count ?? standardCount
        ping.size = size
        ping.timeout = timeout
        ping.connections = newConnection ? .new : .kept
        return ping
    }
}

/// The flags for what is printed.
struct PingForm: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Print the summary only.")
    var quiet = false

    @Flag(name: .long, help: "Print one JSON object at the end.")
    var json = false

    @Flag(name: .long, help: "Print a JSON object for each probe, and one for the summary.")
    var jsonl = false

    @Flag(name: .long, help: "Print the summary as CSV, a row for each endpoint.")
    var csv = false

    @Flag(name: .long, help: "Print the line of a monitoring plugin, and exit as one.")
    var nagios = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Mean round trip, loss or both that are too much, such as 10ms,20%.",
            valueName: "threshold"
        ),
        transform: PingThreshold.parse
    )
    var warn: PingThreshold?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The same for the state critical; without --nagios it is as --warn.",
            valueName: "threshold"
        ),
        transform: PingThreshold.parse
    )
    var critical: PingThreshold?

    /// Refuses forms that contradict each other.
    func check() throws {
        if [json, jsonl, csv, nagios].count(where: { $0 }) > 1 {
            throw ValidationError("--json, --jsonl, --csv and --nagios exclude each other")
        }
    }

    /// Probes for each endpoint, unless a flag says how many: a plugin has to end.
    var standardCount: Int? { nagios ? 5 : nil }

    /// What the thresholds make of a run.
    var verdict: PingVerdict { PingVerdict(warning: warn, critical: critical) }
}
