import ArgumentParser
import EchoServer
import Glibc
import Logging
import UnixSignals

/// Serves until a signal.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve: send back what clients send (default)."
    )

    @OptionGroup var options: ServeOptions
    @OptionGroup var logging: LogOptions

    mutating func run() async throws {
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
            let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
            for endpoint in try server.start() {
                Output.write("listening on \(endpoint)\n")
            }
            await Self.serve(server, until: signals, ServiceReporter(server, notifier))
        } catch {
            ServiceReporter.report(error, to: notifier)
            throw error
        }
    }

    // The first signal drains, the second ends the process the way the signal would have.
    private static func serve(
        _ server: EchoServer,
        until signals: UnixSignalsSequence,
        _ reporter: ServiceReporter
    ) async {
        let report = reporter.ready()
        let reports = Task { await reporter.run(after: report) }
        let watcher = Task {
            var isDraining = false
            for await received in signals {
                if isDraining {
                    signal(received.rawValue, SIG_DFL)
                    // To the process: this thread is one of Dispatch's, which block it.
                    kill(getpid(), received.rawValue)
                }
                isDraining = true
                Task { await reporter.stopping() }
                Task { await server.shutdown(drainingFor: server.configuration.drainTimeout) }
            }
        }
        await server.waitUntilStopped()
        watcher.cancel()
        reports.cancel()
    }
}
