import ArgumentParser
import EchoServer
import EchoSockets
import Glibc
import Logging

/// Serves until a signal.
struct Serve: ParsableCommand, HandlesSignals {
    static let configuration = CommandConfiguration(
        commandName: Subcommand.serve.rawValue,
        abstract: "Serve: send back what clients send (default)."
    )

    @OptionGroup var options: ServeOptions
    @OptionGroup var logging: LogOptions
    @OptionGroup var monitoring: MetricsOptions
    @OptionGroup var settings: ConfigurationOptions

    // Accepted only to be refused: it may be a mistyped subcommand.
    @Argument(help: .hidden) var extra: [String] = []

    func validate() throws {
        // Other arguments are checked later: errors in flags are more informative.
        guard let first = extra.first,
            let complaint = Subcommand.complaint(about: first)
        else { return }
        throw ValidationError(complaint)
    }

    mutating func run() throws {
        if let first = extra.first {
            throw ValidationError(Subcommand.complaint(aboutExtra: first))
        }
        if settings.checkConfig { return try check() }
        AddressSpace().share()
        let signals = try Self.startThreads()
        // Before the others: no other thread may be reading the environment.
        let notifier = ServiceNotifier.takeFromEnvironment(logger: logging.logger())
        defer { notifier?.flush(within: StandardError.patience) }
        do {
            let (configuration, _, logger) = try complete()
            let server = try EchoServer(configuration: configuration, logger: logger)
            let span = configuration.shutdownDelay + configuration.drainTimeout
            signals.bound(server, stoppingWithin: span)
            signals.catchUp()
            try serve(server, until: signals, notifier, logger)
        } catch {
            let message = Exit.message(for: error, of: Self.self)
            ServiceReporter.report(error, message, to: notifier)
            throw error
        }
    }

    // Nothing is served: signals end it, even if nobody writes the file or reads the output.
    private mutating func check() throws {
        Signals.endCommand()
        let (_, origins, _) = try complete()
        try Output.print(origins.text(flags))
    }

    // Takes all settings, and warns about those that have no effect.
    private mutating func complete() throws -> (EchoServer.Configuration, Settings, Logger) {
        let inherited = try EchoServer.InheritedSocket.takeFromEnvironment()
        let origins = try Settings(completing: &flags)
        let configuration = try options.configuration(inheriting: inherited)
        let logger = logging.logger()
        origins.warn(logger)
        origins.warn(logger, aboutUselessIn: configuration, metrics: monitoring.metrics?.value)
        return (configuration, origins, logger)
    }

    // The threads that are needed even if resources run out later, or a thread hangs.
    private static func startThreads() throws -> TerminationSignals {
        do throws(SystemError) {
            try StandardError.writeOnThread()
            return try TerminationSignals()
        } catch {
            throw CommandError(withoutThread: error)
        }
    }

    // Not if it is asked to stop meanwhile: connections queued on an inherited socket are for the
    // next process.
    private static func start<Result>(
        unless signals: TerminationSignals,
        _ purpose: NetworkSandbox.Purpose,
        _ body: () throws -> Result
    ) throws -> Result? {
        if signals.isStopping { return nil }
        do {
            return try NetworkSandbox.explaining(purpose, body)
        } catch let failure as EchoServer.Failure
            where failure.code == .alreadyShutDown && signals.isStopping
        {
            return nil
        }
    }

    private static func reporter(
        _ server: EchoServer,
        _ notifier: ServiceNotifier?
    ) throws -> ServiceReporter? {
        do throws(SystemError) {
            return try notifier.map { (notifier) throws(SystemError) in
                try ServiceReporter(server, notifier)
            }
        } catch {
            throw CommandError(withoutThread: error)
        }
    }

    // The first signal drains, the second ends the process.
    private func serve(
        _ server: EchoServer,
        until signals: TerminationSignals,
        _ notifier: ServiceNotifier?,
        _ logger: Logger
    ) throws {
        let announcement = try Announcement()
        defer { announcement.flush() }
        let attempt = StartAttempt()
        signals.whenStopping { attempt.abandon() }
        let metrics = try monitoring.metrics?.value.flatMap { endpoint in
            try Self.start(unless: signals, .metrics) {
                try MetricsServer(server, on: endpoint, attempt, logger: logger)
            }
        }
        defer { metrics?.stop() }
        guard let endpoints = try Self.start(unless: signals, .listening, server.start) else {
            return
        }
        signals.started()
        if !Self.isLogBesideOutput || logger.logLevel > .info {
            announcement.listening(on: endpoints)
        }
        NetworkSandbox.warn(logger, about: server.configuration.listen, .listening)
        NetworkSandbox.warn(
            logger,
            about: monitoring.metrics?.value.map { [$0] } ?? [],
            .metrics
        )
        let reporter = try Self.reporter(server, notifier)
        signals.wait()
        reporter?.stopping()
        server.shutdownAndWait()
        reporter?.end()
    }
}

extension Serve {
    /// What settings complete.
    ///
    /// Not a group of groups: in a debug build, the argument parser takes
    /// twice as long for each level.
    var flags: ServeFlags {
        get {
            var flags = ServeFlags()
            flags.options = options
            flags.logging = logging
            flags.monitoring = monitoring
            flags.settings = settings
            return flags
        }
        set {
            options = newValue.options
            logging = newValue.logging
            monitoring = newValue.monitoring
            settings = newValue.settings
        }
    }

    /// Whether the log appears on the same terminal as standard output: the log also says where the
    /// server listens.
    private static var isLogBesideOutput: Bool {
        var (output, errors) = (stat(), stat())
        guard unsafe fstat(STDOUT_FILENO, &output) == 0, unsafe fstat(STDERR_FILENO, &errors) == 0
        else { return false }
        return isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1
            && output.st_rdev == errors.st_rdev
    }
}

extension CommandError {
    /// A required thread cannot be started.
    fileprivate init(withoutThread error: SystemError) {
        self.init(exitCode: Exit.system, message: "cannot start a thread: \(error)")
    }
}

/// What the server prints on standard output.
private struct Announcement {
    private let writer: LineWriter

    init() throws {
        do throws(SystemError) {
            writer = try LineWriter(STDOUT_FILENO, name: "output", lossLine: nil)
        } catch {
            throw CommandError(withoutThread: error)
        }
    }

    func listening(on endpoints: [EchoServer.Endpoint]) {
        for endpoint in endpoints { writer.write("listening on \(endpoint)".escapedForLog) }
        writer.finish()
    }

    func flush() {
        writer.flush(within: StandardError.patience)
    }
}
