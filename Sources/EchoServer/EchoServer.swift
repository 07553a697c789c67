public import CoreMetrics
import EchoSockets
public import Logging

/// An echo server (RFC 862): what a client sends comes back unchanged.
///
/// One type in front of every classic server I/O model; ``Configuration/model`` chooses. A server
/// is started once: by ``start()``, which returns when connections are accepted, or by ``run()``,
/// which returns when serving has ended. It serves on threads of its own, never on Swift's
/// cooperative pool.
///
/// ```swift
/// let server = try EchoServer(configuration: .init(listen: [.tcp("127.0.0.1", port: 0)]))
/// print("listening on", try server.start())
/// await server.shutdown()
/// ```
///
/// All members may be used from any thread or task. A server that goes away without a shutdown
/// closes all its connections at once.
public final class EchoServer: Sendable {
    let context: ServingContext
    let lifecycle = Locked(Lifecycle())
    let metricsFactory: any MetricsFactory
    let reporter = Locked<MetricsReporter?>(nil)

    /// Makes a server; nothing is opened yet.
    ///
    /// - Parameters:
    ///   - configuration: all settings.
    ///   - logger: where the server says what an operator should know. Without one it is silent.
    ///     Its level is read here. Its handler is called on a thread of its own, and may be slow:
    ///     no thread that serves, accepts or shuts down waits for it. What it does not take in
    ///     time is dropped and counted, and ``shutdown(drainingFor:)`` gives it a second at the
    ///     end.
    ///   - metricsFactory: the metrics backend that is told every ``Metric`` while the server
    ///     runs. Without one it is that of `MetricsSystem`, as it is now.
    /// - Throws: ``Failure`` if a setting is out of range.
    public init(
        configuration: Configuration = Configuration(),
        logger: Logger? = nil,
        metricsFactory: (any MetricsFactory)? = nil
    ) throws(Failure) {
        try configuration.validate()
        self.metricsFactory = metricsFactory ?? MetricsSystem.factory
        let logger = logger ?? Logger(label: "EchoServer") { _ in SwiftLogNoOpLogHandler() }
        context = ServingContext(configuration, logger: logger)
    }

    deinit {
        if case .running(let model, _) = lifecycle.withLock({ $0.phase }) {
            model.drain(.immediate)
            let reporter = reporter.withLock { $0.take() }
            // Threads must be waited for, and some models interrupt theirs while they wait.
            try? Thread(name: "shutdown") {
                model.join()
                reporter?.stop()
            }.detach()
        }
    }

    /// The settings the server was made with.
    public var configuration: Configuration { context.configuration }

    /// Counts since the server was started.
    ///
    /// Takes a lock for moments only.
    public var statistics: Statistics { context.statistics }

    /// Opens the endpoints and begins to serve; returns once connections are accepted.
    ///
    /// Blocks while host names are looked up; ``run()`` does so elsewhere. A shutdown meanwhile
    /// ends it.
    ///
    /// - Returns: the addresses that are listened on, ports resolved: the inherited ones, then the
    ///   others in the order configured. An address that this machine does not have is left out,
    ///   with a line in the log, if its endpoint stands for others as well.
    /// - Throws: ``Failure`` that names the endpoint and the reason; nothing stays open then, and
    ///   the server can be started again. ``Failure/Code/alreadyStarted`` the second time;
    ///   ``Failure/Code/alreadyShutDown`` after a shutdown, or if one has come meanwhile.
    @discardableResult
    public func start() throws(Failure) -> [Endpoint] {
        let attempt = StartAttempt()
        try lifecycle.withLock { lifecycle throws(Failure) in try lifecycle.beginStart(attempt) }
        return try start(attempt)
    }

    /// What serves, from the start until everything is closed.
    var servingModel: (any ServingModel)? {
        lifecycle.withLock { lifecycle in
            switch lifecycle.phase {
            case .running(let model, _), .leaving(let model, _, _), .stopping(let model, _): model
            case .initial, .starting, .startingInVain, .stopped: nil
            }
        }
    }

    /// The addresses that are listened on, ports resolved; empty before ``start()`` has returned
    /// and from the beginning of the drain.
    public var endpoints: [Endpoint] {
        lifecycle.withLock { lifecycle in
            switch lifecycle.phase {
            case .running(_, let addresses), .leaving(_, let addresses, _):
                addresses.map { Endpoint($0) }
            case .initial, .starting, .startingInVain, .stopping, .stopped: []
            }
        }
    }

    /// Whether the server wants new connections: from the start until it is told to shut down.
    ///
    /// For a readiness probe. During ``Configuration/shutdownDelay`` it is `false`, and connections
    /// are accepted nevertheless: whoever sends them needs time to notice.
    public var isReady: Bool {
        lifecycle.withLock { lifecycle in
            guard case .running = lifecycle.phase else { return false }
            return true
        }
    }
}
