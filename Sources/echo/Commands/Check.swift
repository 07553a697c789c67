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
        """
    )

    static let configuration = CommandConfiguration(
        commandName: Subcommand.check.rawValue,
        abstract: "Check that a server echoes every byte, in order, to the right client.",
        usage: "\(ProgramName.current) check <endpoint> [<options>]",
        discussion: """
            Works with any RFC 862 server, over TCP or a Unix socket. Each check prints a row: \
            passed or FAILED, its name, how long it took, and what was seen. The bytes sent encode \
            the run, the connection and the offset, so a misplaced byte identifies where it came \
            from. --list prints the checks.

            Checks run one after another on connections of their own, to the first address of the \
            endpoint that answers. Each fails at its deadline, so a run takes no longer than all \
            deadlines together. With the default sizes, about 50 MB travel in each direction.

            EXAMPLES
            \(examples)

            EXIT CODES: 0 all checks passed or did not apply; 1 a check failed; 64 wrong usage; 68 \
            the host name has no address; 69 no server there: refused, or unreachable; 71 an \
            operating system error; 75 no connection in time; 77 permission denied.
            """
    )

    @Argument(
        help: ArgumentHelp(
            "The server: PORT, HOST:PORT, [IPv6]:PORT, unix:PATH or unix:@NAME.",
            valueName: "endpoint"
        ),
        transform: Parse.clientEndpoint
    )
    var endpoint: Endpoint?

    @Flag(name: .long, help: "List the checks without running them.")
    var list = false

    @Option(
        name: .long,
        help: ArgumentHelp("Run only this check; may be repeated.", valueName: "name"),
        completion: Parse.completion(ConformanceCheck.self),
        transform: { try Parse.choice($0) }
    )
    var only: [ConformanceCheck] = []

    @Option(
        name: .long,
        help: ArgumentHelp("Skip this check; may be repeated.", valueName: "name"),
        completion: Parse.completion(ConformanceCheck.self),
        transform: { try Parse.choice($0) }
    )
    var skip: [ConformanceCheck] = []

    @Flag(name: .long, help: "Print one JSON object instead of the table.")
    var json = false

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
        transform: Parse.size(ConformanceSuite.sizes)
    )
    var size = 16 << 20

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Connections for the checks that open many, 2 to 1000. (default: 200)",
            valueName: "count"
        ),
        transform: Parse.count(ConformanceSuite.connectionCounts)
    )
    var connections = 200

    func validate() throws {
        if endpoint == nil, !list {
            throw ValidationError("Missing expected argument '<endpoint>'")
        }
        if checks.isEmpty { throw ValidationError("--only and --skip leave no check") }
    }

    private var checks: [ConformanceCheck] {
        ConformanceCheck.allCases.filter { check in
            (only.isEmpty || only.contains(check)) && !skip.contains(check)
        }
    }

    func run() throws {
        let screen = Screen.current
        guard let endpoint, !list else { return try Output.print(CheckTable.list(checks, screen)) }
        let address = try address(of: endpoint)
        var suite = ConformanceSuite()
        suite.checks = checks
        suite.deadline = deadline
        suite.size = size
        suite.connections = connections
        if !json { try Output.print(CheckTable.head(endpoint, address, run: suite.run)) }
        let results: [CheckResult]
        // A row that cannot be written is reported at the end: later rows may still be written.
        var failure: CommandError?
        do throws(SystemError) {
            results = try suite.run(against: address) { result in
                guard !json, failure == nil else { return }
                do throws(CommandError) {
                    try Output.print(CheckTable.row(result, screen))
                } catch { failure = error }
            }
        } catch {
            throw CommandError(exitCode: Exit.system, message: "cannot check \(endpoint): \(error)")
        }
        if let failure { throw failure }
        try Output.print(
            json
                ? CheckDocument(endpoint: endpoint, address: address, suite: suite).json(results)
                : CheckTable.foot(results, screen)
        )
        if results.contains(where: { $0.outcome == .failed }) { throw ExitCode(1) }
    }

    // All checks go to one address, the first that answers.
    private func address(of endpoint: Endpoint) throws -> SocketAddress {
        do throws(ConnectError) {
            return try EchoConnection.open(endpoint, timeout: connectTimeout).peer
        } catch {
            throw CommandError(error)
        }
    }
}
