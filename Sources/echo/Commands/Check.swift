import ArgumentParser
import EchoClient
import EchoSockets

/// Checks an echo server.
struct Check: ParsableCommand {
    private static let examples = Layout.unbroken(
        """
          \(ProgramName.current) check 127.0.0.1:7
          \(ProgramName.current) check --only half-close --only urgent unix:/run/echo.sock
          \(ProgramName.current) check --size 1MiB --connections 20 echo.example.com:7
          \(ProgramName.current) check --json localhost:5150
          \(ProgramName.current) check udp:echo.example.com:7
          \(ProgramName.current) check --gentle --junit report.xml echo.example.com:7
        """
    )

    static let configuration = CommandConfiguration(
        commandName: Subcommand.check.rawValue,
        abstract: "Check that a server echoes every byte, in order, to the right client.",
        usage: "\(ProgramName.current) check <endpoint> [<options>]",
        discussion: """
            Works with any RFC 862 server, over TCP, UDP or a Unix socket. Each check prints a \
            row: passed or FAILED, its name, how long it took, and what was seen. The bytes sent \
            encode the run, the connection and the offset, so a misplaced byte identifies where it \
            came from. --list prints the checks.

            Checks run one after another on connections of their own, to the first address of the \
            endpoint that answers. Each fails at its deadline, so a run takes no longer than all \
            deadlines together. With the default sizes, about 50 MB travel in each direction.

            A failed check says what kind of failure it was: wrong, if other bytes came than were \
            sent; late, if everything that came was right but not all of it came in time; ended \
            early, reset or refused. A busy server or network is late, not wrong.

            Over UDP (udp:HOST:PORT) the checks are those whose names begin with udp-. A datagram \
            may be lost: what does not come back within a second is sent again, up to four times, \
            and fails the check only if it never comes back. The row says how many it took.

            --gentle is for servers that are not your own. It opens at most 4 connections at a \
            time, transfers less than 1 MB, pauses for 1s between checks, and skips resets, \
            urgent, churn and udp-burst. --size, --connections, --pause and --only override it.

            EXAMPLES
            \(examples)

            EXIT CODES: 0 all checks passed or did not apply; 1 a check failed; 64 wrong usage; 68 \
            the host name has no address; 69 no server there: refused, or unreachable; 71 an \
            operating system error; 75 no connection in time; 77 permission denied.
            """
    )

    @Argument(
        help: ArgumentHelp(
            "The server: PORT, HOST:PORT, [IPv6]:PORT, udp:HOST:PORT, unix:PATH or unix:@NAME.",
            valueName: "endpoint"
        ),
        transform: Parse.clientEndpoint
    )
    var endpoint: Endpoint?

    @Flag(name: .long, help: "List the checks without running them; all, or those of an endpoint.")
    var list = false

    @Option(
        name: .long,
        help: ArgumentHelp("Run only this check; may be repeated.", valueName: "name"),
        completion: Parse.completion(EchoCheck.Check.self),
        transform: { try Parse.choice($0) }
    )
    var only: [EchoCheck.Check] = []

    @Option(
        name: .long,
        help: ArgumentHelp("Skip this check; may be repeated.", valueName: "name"),
        completion: Parse.completion(EchoCheck.Check.self),
        transform: { try Parse.choice($0) }
    )
    var skip: [EchoCheck.Check] = []

    @Flag(name: .long, help: "Use few connections and little data, and pause between checks.")
    var gentle = false

    @Flag(name: .long, help: "Print one JSON object instead of the table.")
    var json = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Also write the results to a file in JUnit's XML format, for CI systems.",
            valueName: "file"
        ),
        completion: .file(),
        transform: Parse.path
    )
    var junit: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Time limit for each check. (default: 10s)", valueName: "duration"),
        transform: Parse.positiveDuration
    )
    var deadline: Duration = .seconds(10)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Time limit for the first connection, before the checks. (default: 10s)",
            valueName: "duration"
        ),
        transform: Parse.positiveDuration
    )
    var connectTimeout: Duration = .seconds(10)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Bytes of a large transfer, 64KiB to 1GiB. (default: 16MiB)",
            valueName: "size"
        ),
        transform: Parse.size(EchoCheck.sizes)
    )
    var size: Int?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Connections (or UDP clients) for the checks of many, 2 to 1000. (default: 200)",
            valueName: "count"
        ),
        transform: Parse.count(EchoCheck.connectionCounts)
    )
    var connections: Int?

    @Option(
        name: .long,
        help: ArgumentHelp("Time between two checks. (default: 0s)", valueName: "duration"),
        transform: Parse.duration
    )
    var pause: Duration?

    func validate() throws {
        if endpoint == nil, !list {
            throw ValidationError("Missing expected argument '<endpoint>'")
        }
        if list, json || junit != nil {
            throw ValidationError("--list excludes --json and --junit")
        }
        if let endpoint, let other = only.first(where: { !applicable.contains($0) }) {
            let kind = endpoint.isDatagram ? "UDP" : "connections"
            throw ValidationError("the check \(other.rawValue) does not apply to \(kind)")
        }
        if checks.isEmpty { throw ValidationError("--only and --skip leave no check") }
    }

    private var applicable: [EchoCheck.Check] {
        endpoint.map { EchoCheck.checks(for: EchoEndpoint($0)) }
            ?? EchoCheck.Check.allCases
    }

    private var checks: [EchoCheck.Check] {
        applicable.filter { check in
            guard only.isEmpty else { return only.contains(check) && !skip.contains(check) }
            return !skip.contains(check) && (!gentle || EchoCheck.gentleChecks.contains(check))
        }
    }

    // What is given explicitly overrides --gentle.
    private func check(of endpoint: EchoEndpoint) -> EchoCheck {
        var check = gentle ? EchoCheck.gentle(endpoint) : EchoCheck(endpoint)
        check.checks = checks
        check.deadline = deadline
        check.connectTimeout = connectTimeout
        check.size = size ?? check.size
        check.connections = connections ?? check.connections
        check.pause = pause ?? check.pause
        return check
    }

    func run() throws {
        let screen = Screen.current
        guard let endpoint = endpoint.map({ EchoEndpoint($0) }), !list else {
            return try Output.print(CheckTable.list(checks, screen))
        }
        // First, so that it is known before the checks whether there is a place for the report.
        let file: ReportFile? = if let junit { try ReportFile(junit) } else { nil }
        var record = CheckRecord(check(of: endpoint))
        // What cannot be printed is reported at the end: the rest may still be.
        var unprinted: CommandError?
        record.run { line in
            guard !json, unprinted == nil else { return }
            do throws(CommandError) {
                try Output.print(line(screen))
            } catch { unprinted = error }
        }
        if json, unprinted == nil {
            do throws(CommandError) {
                try Output.print(record.json)
            } catch { unprinted = error }
        }
        try file?.write(record.junit(as: "\(ProgramName.current) check"))
        if let failure = record.failure { throw failure.error }
        if let unprinted { throw unprinted }
        if !json { try Output.print(CheckTable.foot(record.results, screen)) }
        if record.results.contains(where: { $0.outcome == .failed }) {
            throw ExitCode(Exit.failed)
        }
    }
}
