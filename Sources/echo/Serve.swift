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
        let configuration = try options.configuration()
        let server = try EchoServer(configuration: configuration, logger: logging.logger())
        // Before anything is opened, so that no signal is missed. A terminal that goes away is no
        // reason to stop.
        signal(SIGHUP, SIG_IGN)
        var signals = TerminationSignals()
        for endpoint in try server.start() {
            Output.write("listening on \(endpoint)\n")
        }
        // The first signal drains, the second ends the process.
        signals.wait()
        server.shutDownBlocking(drainingFor: configuration.drainTimeout)
    }
}
