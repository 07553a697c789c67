import ArgumentParser
import EchoClient
import EchoServer
import EchoSockets

/// Compares echo servers.
struct Bench: ParsableCommand, HandlesSignals {
    private static let examples = Layout.unbroken(
        """
          \(ProgramName.current) bench --model all
          \(ProgramName.current) bench --model select,completion-port --connections 1,50
          \(ProgramName.current) bench --model all --rate 10000 --time 5s --html report.html
          \(ProgramName.current) bench --target 127.0.0.1:7 --pid 4711 --model all
          \(ProgramName.current) bench --udp --model all --connections 1,50
          \(ProgramName.current) bench --command 'socat TCP-LISTEN:PORT,fork EXEC:cat'
        """
    )

    static let configuration = CommandConfiguration(
        commandName: Subcommand.bench.rawValue,
        abstract: "Measure echo servers side by side: throughput, latency, cost.",
        usage: "\(ProgramName.current) bench [--model <name>|all] [<options>]",
        discussion: """
            Every server meets the same loads, in short rounds whose order is random, so that what \
            disturbs the machine disturbs all of them. Every byte that comes back is compared with \
            what was sent. I/O models and commands are started afresh for each round.

            Without --rate the loop is closed: a connection sends its next message when an earlier \
            one has come back. With --rate it is open: messages are due at fixed moments, and the \
            response time counts from those, even if the connection was still busy.

            Over UDP a connection is a socket, and a message a datagram. One that does not come \
            back within 250ms is lost, which is counted apart; then its client goes on. Servers \
            with a loop guard answer so many datagrams a second and source only: run a target of \
            this program with --no-loop-guard.

            Several values of --connections, --size, --in-flight and --rate make a load for each \
            combination. --plan prints what would run, and how long it takes.

            EXAMPLES
            \(examples)

            EXIT CODES: 0 measured; 1 bytes were wrong, a server could not be measured, or a \
            --fail-if applies; 64 wrong usage; 71 an operating system error, or the output is \
            closed or full.
            """
    )

    @OptionGroup(title: "Servers") var servers: BenchServerOptions
    @OptionGroup(title: "Loads") var loads: BenchLoadOptions
    @OptionGroup(title: "Measuring") var measuring: BenchMeasuringOptions
    @OptionGroup(title: "Output") var output: BenchOutputOptions

    func validate() throws {
        try servers.check()
        try loads.check()
        if servers.hasDatagrams { try loads.checkForDatagrams() }
        try output.check()
    }

    func run() throws {
        Signals.expectChildren()
        var runner = BenchRunner(try servers.servers(), loads.loads)
        measuring.apply(to: &runner)
        if output.plan { return try Output.print(BenchPlan(runner).text(Screen.current)) }
        let baseline = try output.readBaseline()
        // Before the measurement, which would be in vain if the file could not be written.
        let page: ReportFile? = if let file = output.html { try ReportFile(file) } else { nil }
        let stop = ClientStop()
        try StopSignals.onFirst { stop.stop() }
        let progress = BenchProgress()
        let report = runner.report(
            tool: "\(ProgramName.current) \(EchoServer.version)",
            command: Self.repeating(ProcessArguments.all, seed: runner.seed),
            stop
        ) { progress.show($0) }
        progress.clear()
        try output.write(report, baseline: baseline, page: page)
        if report.results.contains(where: { $0.failure != nil }) { throw ExitCode(1) }
    }

    // With the seed, so that the order is the same.
    private static func repeating(_ words: [String], seed: UInt64) -> String {
        let isSeeded = words.contains { $0 == "--seed" || $0.hasPrefix("--seed=") }
        return ShellText.quoted(isSeeded ? words : words + ["--seed", "\(seed)"])
    }
}
