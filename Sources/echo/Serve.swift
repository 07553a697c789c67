import ArgumentParser
import EchoServer
import Glibc
import Logging
import Sockets

/// Serves until a signal.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve: send back what clients send (default)."
    )

    @OptionGroup var options: ServeOptions
    @OptionGroup var logging: LogOptions
    @OptionGroup var monitoring: MetricsOptions
    @OptionGroup var settings: ConfigurationOptions

    // Taken only to be refused: it may be a subcommand that was mistyped.
    @Argument(help: .hidden) var extra: [String] = []

    func validate() throws {
        // Others later: flags that are wrong say more than what stands behind them.
        guard let first = extra.first,
            let complaint = Arguments.complaint(aboutSubcommand: first)
        else { return }
        throw ValidationError(complaint)
    }

    mutating func run() throws {
        if let first = extra.first {
            throw ValidationError(Arguments.complaint(aboutExtra: first))
        }
        AddressSpace().share()
        // First: no other thread may be reading the environment.
        let notifier = ServiceNotifier.takeFromEnvironment(logger: logging.logger())
        do {
            let inherited = try EchoServer.InheritedSocket.takeFromEnvironment()
            let origins = try Settings(completing: &self)
            let configuration = try options.configuration(inheriting: inherited)
            let logger = logging.logger()
            origins.warn(logger)
            origins.warn(logger, aboutUselessIn: configuration)
            if settings.checkConfig {
                try Output.print(origins.text(self))
                return
            }
            let server = try EchoServer(configuration: configuration, logger: logger)
            // Before anything is opened, so that no signal is missed. A terminal that goes away is no
            // reason to stop.
            signal(SIGHUP, SIG_IGN)
            var signals = TerminationSignals()
            let metrics = try monitoring.metrics?.value.map { endpoint in
                try NetworkSandbox.explaining(.metrics) {
                    try MetricsServer(server, on: endpoint, logger: logger)
                }
            }
            defer { metrics?.stop() }
            for endpoint in try NetworkSandbox.explaining(.listening, server.start) {
                Output.write("listening on \(endpoint)\n")
            }
            NetworkSandbox.warn(logger, about: configuration.listen, .listening)
            let monitored = monitoring.metrics?.value.map { [$0] } ?? []
            NetworkSandbox.warn(logger, about: monitored, .metrics)
            // Tasks need threads and descriptors of Dispatch: none where nobody is to be told.
            if notifier == nil {
                signals.wait()
                server.shutdownAndWait()
            } else {
                Self.serve(server, until: &signals, ServiceReporter(server, notifier))
            }
        } catch {
            ServiceReporter.report(error, to: notifier)
            throw error
        }
    }

    // The first signal drains, the second ends the process as it does by default.
    private static func serve(
        _ server: EchoServer,
        until signals: inout TerminationSignals,
        _ reporter: ServiceReporter
    ) {
        let report = reporter.ready()
        let reports = Task { await reporter.run(after: report) }
        signals.wait()
        reporter.stopping()
        Task { await reporter.extendStopping() }
        server.shutdownAndWait()
        reports.cancel()
    }
}
