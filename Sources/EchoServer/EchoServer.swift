public import CoreMetrics
import EchoSockets
public import Logging

/// An echo server (RFC 862): what a client sends comes back unchanged.
///
/// One type for every classic server I/O model; ``Configuration/model`` selects it. A server is
/// started once: by ``start()``, which returns when connections are accepted, or by ``run()``,
/// which returns when serving has ended. It serves on threads of its own, never on Swift's
/// cooperative pool.
///
/// ```swift
/// let server = try EchoServer(configuration: .init(listen: [.tcp("127.0.0.1", port: 0)]))
/// print("listening on", try server.start())
/// await server.shutdown()
/// ```
///
/// All members may be used from any thread or task. A server that is released without a shutdown
/// closes all its connections at once.
public final class EchoServer: Sendable {
    let context: ServingContext
    let lifecycle = Locked(Lifecycle())
    let metricsFactory: any MetricsFactory
    let reporter = Locked<MetricsReporter?>(nil)

    /// Creates a server; nothing is opened yet.
    ///
    /// - Parameters:
    ///   - configuration: all settings.
    ///   - logger: where the server logs what an operator should know. Without one it is silent.
    ///     Its level is read here. Its handler is called on a separate thread, and may be slow: no
    ///     thread that serves, accepts or shuts down waits for it. Lines that it does not take in
    ///     time are dropped and counted, and ``shutdown(drainingFor:)`` gives it a second at the
    ///     end.
    ///   - metricsFactory: the metrics backend that receives every ``Metric`` while the server
    ///     runs. By default, the current one of `MetricsSystem`.
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
            // Threads must be joined, and some models interrupt theirs while they do so.
            try? Thread(name: "shutdown") {
                model.join()
                reporter?.stop()
            }.detach()
        }
    }

    /// The settings that the server was created with.
    public var configuration: Configuration { context.configuration }

    /// Counts since the server was started.
    ///
    /// Holds a lock only briefly.
    public var statistics: Statistics { context.statistics }

    /// Opens the endpoints and begins to serve; returns once connections are accepted.
    ///
    /// Blocks while host names are looked up; ``run()`` does this on another thread. A shutdown
    /// meanwhile ends the start.
    ///
    /// - Returns: the addresses that the server listens on, with ports resolved: the inherited
    ///   ones, then the others in the order configured. An address that this machine does not have
    ///   is skipped, with a line in the log, if its endpoint has others as well.
    /// - Throws: ``Failure`` that names the endpoint and the reason; nothing stays open then, and
    ///   the server can be started again. ``Failure/Code/alreadyStarted`` the second time;
    ///   ``Failure/Code/alreadyShutDown`` after a shutdown, including one that came meanwhile.
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

    /// The addresses that the server listens on, with ports resolved; empty before ``start()`` has
    /// returned and once the server drains.
    public var endpoints: [Endpoint] {
        lifecycle.withLock { lifecycle in
            switch lifecycle.phase {
            case .running(_, let addresses), .leaving(_, let addresses, _):
                addresses.map { Endpoint($0) }
            case .initial, .starting, .startingInVain, .stopping, .stopped: []
            }
        }
    }

    /// Whether the server wants new connections: from the start until it is asked to shut down.
    ///
    /// For a readiness probe. During ``Configuration/shutdownDelay`` it is `false` although
    /// connections are still accepted: load balancers need time to notice.
    public var isReady: Bool {
        lifecycle.withLock { lifecycle in
            guard case .running = lifecycle.phase else { return false }
            return true
        }
    }
}
