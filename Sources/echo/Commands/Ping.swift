import ArgumentParser
import EchoClient
import EchoSockets

/// Probes echo servers on a schedule.
struct Ping: ParsableCommand, HandlesSignals {
    private static let examples = Layout.unbroken(
        """
          \(ProgramName.current) ping 127.0.0.1:7
          \(ProgramName.current) ping --count 100 --interval 10ms a:7 b:7 unix:/run/echo.sock
          \(ProgramName.current) ping --count 100 --interval 10ms udp:a:7
          \(ProgramName.current) ping --nagios --warn 10ms,20% --critical 50ms,60% a:7
          \(ProgramName.current) ping --jsonl --new-connection a:7 > probes.jsonl
        """
    )

    static let configuration = CommandConfiguration(
        commandName: Subcommand.ping.rawValue,
        abstract: "Measure the round trips of echo servers, and verify what comes back.",
        usage: "\(ProgramName.current) ping <endpoint> ... [<options>]",
        discussion: """
            Works with any RFC 862 server, over TCP, UDP or a Unix socket. Each endpoint is sent a \
            probe every interval, on a fixed schedule: a probe that has no answer yet does not \
            delay the next one. Endpoints are spread evenly over the interval.

            A round trip is measured from the send to the last byte of the echo, and never halved. \
            Looking up a name and connecting are reported apart from it. A probe is lost if its \
            echo is not complete within the timeout, or if there is no connection for it; an echo \
            that comes later is reported as late, and the probe remains lost. Wrong bytes close \
            the connection. The next probe opens a new one.

            Over UDP a probe holds a number, by which its echo is recognised in whatever order. A \
            datagram that comes back again is a duplicate, which is counted and no failure. A \
            probe that is refused is lost, and the next is sent all the same. Servers with a loop \
            guard answer so many datagrams a second and source only, those of this program 1000: \
            intervals below 1ms lose the others.

            SIGNALS: SIGINT (^C) and SIGTERM end it with the summary; a second one ends it at \
            once. SIGQUIT (^\\) prints a summary of what has been measured so far.

            EXAMPLES
            \(examples)

            EXIT CODES: 0 all probes were answered; 1 some were lost or wrong, or a threshold was \
            reached; 64 wrong usage; 68 unknown host; 69 no connection to any endpoint, or \
            refused; 71 an operating system error, or the output is closed or full; 75 connecting \
            timed out; 77 permission denied.

            PLUGIN CODES, with --nagios: 0 ok; 1 warning; 2 critical; 3 unknown.
            """
    )

    @Argument(
        help: ArgumentHelp(
            "The servers: PORT, HOST:PORT, [IPv6]:PORT, udp:HOST:PORT, unix:PATH or unix:@NAME.",
            valueName: "endpoint"
        ),
        transform: Parse.clientEndpoint
    )
    var endpoints: [Endpoint]

    @OptionGroup var plan: PingPlan

    @OptionGroup var form: PingForm

    func validate() throws {
        if endpoints.isEmpty { throw ValidationError("Missing expected argument '<endpoint>'") }
        try plan.check(for: endpoints)
        try form.check()
    }

    func run() throws {
        let targets = endpoints.map { EchoEndpoint($0) }
        let ping = plan.ping(targets, standardCount: form.standardCount)
        let control = PingControl()
        let writer = PingWriter(ping, form)
        let printer: PingPrinter
        let report: EchoPing.Report
        do throws(SystemError) {
            try PingSignals.take(for: control)
            printer = try PingPrinter(writer.line) { control.stop.stop() }
            printer.write(writer.head)
            report = try ping.run(control) { probe in
                if writer.hasLines { printer.write(probe) }
            } _: { report in
                printer.write(writer.interim(report))
            }
        } catch {
            throw CommandError(exitCode: Exit.system, message: "cannot ping: \(error)")
        }
        printer.write(writer.summary(report))
        try printer.finish()
        try end(with: report)
    }

    private func end(with report: EchoPing.Report) throws {
        let verdict = form.verdict
        if form.nagios {
            let state = verdict.state(of: report)
            if state != .ok { throw ExitCode(state.rawValue) }
            return
        }
        let errors = report.endpoints.compactMap(\.connectError)
        if report.endpoints.allSatisfy({ $0.received == 0 }), let error = errors.first {
            throw CommandError(exitCode: Exit.code(for: error.kind), message: "\(error)")
        }
        let isGood = report.endpoints.allSatisfy { endpoint in
            endpoint.received > 0 && endpoint.lost + endpoint.wrong + endpoint.surplus == 0
                && form.warn?.isBroken(by: endpoint) != true
                && form.critical?.isBroken(by: endpoint) != true
        }
        if !isGood { throw ExitCode(1) }
    }
}
