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

    func run() throws {
        AddressSpace().share()
        let logger = logging.logger()
        // First: no other thread may be reading the environment.
        let notifier = ServiceNotifier.takeFromEnvironment(logger: logger)
        do {
            let inherited = try EchoServer.InheritedSocket.takeFromEnvironment()
            let configuration = try options.configuration(inheriting: inherited)
            let server = try EchoServer(configuration: configuration, logger: logger)
            // Before anything is opened, so that no signal is missed. A terminal that goes away is no
            // reason to stop.
            signal(SIGHUP, SIG_IGN)
            var signals = TerminationSignals()
            for endpoint in try server.start() {
                Output.write("listening on \(endpoint)\n")
            }
            Self.serve(server, until: &signals, ServiceReporter(server, notifier))
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
        server.shutDownBlocking(drainingFor: server.configuration.drainTimeout)
        reports.cancel()
    }
}
