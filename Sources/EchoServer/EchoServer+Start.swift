public import CoreMetrics
import EchoSockets
public import Logging

extension EchoServer {
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
    public convenience init(
        configuration: Configuration = Configuration(),
        logger: Logger? = nil,
        metricsFactory: (any MetricsFactory)? = nil
    ) throws(Failure) {
        try self.init(
            configuration: configuration,
            logger: logger,
            metricsFactory: metricsFactory,
            servedBy: configuration.model.implementation
        )
    }

    /// Creates a server that serves with any implementation of a model, whatever model the
    /// configuration names.
    convenience init(
        configuration: Configuration,
        logger: Logger?,
        metricsFactory: (any MetricsFactory)? = nil,
        servedBy implementation: any ServingModel.Type
    ) throws(Failure) {
        try configuration.validate()
        let logger = logger ?? Logger(label: "EchoServer") { _ in SwiftLogNoOpLogHandler() }
        self.init(
            runtime: ServerRun(
                ServingContext(configuration, logger: logger),
                servedBy: implementation,
                metricsFactory ?? MetricsSystem.factory
            )
        )
    }

    /// What does the work.
    var run: ServerRun {
        // The initialiser above creates every server.
        unsafe unsafeDowncast(runtime, to: ServerRun.self)
    }

    /// The settings that the server was created with.
    public var configuration: Configuration { run.context.configuration }

    /// Counts since the server was started.
    ///
    /// Holds a lock only briefly.
    public var statistics: Statistics { run.context.statistics }

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
        try run.lifecycle.withLock { lifecycle throws(Failure) in
            try lifecycle.beginStart(attempt)
        }
        return try run.start(attempt)
    }

    /// The addresses that the server listens on, with ports resolved; empty before ``start()`` has
    /// returned and once the server drains.
    public var endpoints: [Endpoint] {
        run.lifecycle.withLock { $0.endpoints }
    }

    /// Whether the server wants new connections: from the start until it is asked to shut down.
    ///
    /// For a readiness probe. During ``Configuration/shutdownDelay`` it is `false` although
    /// connections are still accepted: load balancers need time to notice.
    public var isReady: Bool {
        run.lifecycle.withLock { lifecycle in
            guard case .running = lifecycle.phase else { return false }
            return true
        }
    }

    /// Cancels a start that is in progress or has not begun; it then throws.
    ///
    /// Returns at once.
    package func abandonStart() {
        run.abandonStart()
    }
}

extension EchoServer: CustomStringConvertible {
    /// The model, and where it listens, for example `EchoServer(select on 127.0.0.1:5150)`.
    public var description: String {
        let places = endpoints.map(\.description).joined(separator: ", ")
        return "EchoServer(\(configuration.model)" + (places.isEmpty ? ")" : " on \(places))")
    }
}
