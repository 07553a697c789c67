import Glibc
public import Logging
import Sockets

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
    private let logger: Logger
    private let lifecycle = Locked(Lifecycle())

    /// Makes a server; nothing is opened yet.
    ///
    /// - Parameters:
    ///   - configuration: all settings.
    ///   - logger: where the server says what an operator should know. Without one it is silent.
    ///     Its level is read here.
    /// - Throws: ``Failure`` if a setting is out of range.
    public init(configuration: Configuration = Configuration(), logger: Logger? = nil) throws {
        try configuration.validate()
        self.logger = logger ?? Logger(label: "EchoServer") { _ in SwiftLogNoOpLogHandler() }
        context = ServingContext(configuration, logger: self.logger)
    }

    deinit {
        if case .running(let model, _) = lifecycle.withLock({ $0.phase }) {
            model.drain(.immediate)
            // Threads must be waited for, and some models interrupt theirs while they wait.
            try? Thread(name: "shutdown") { model.join() }.detach()
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
    /// Blocks while host names are looked up.
    ///
    /// - Returns: the addresses that are listened on, ports resolved: the inherited ones, then the
    ///   others in the order configured.
    /// - Throws: ``Failure`` that names the endpoint and the reason; nothing stays open then, and
    ///   the server can be started again. ``Failure/Code/alreadyStarted`` the second time.
    @discardableResult
    public func start() throws -> [Endpoint] {
        try lifecycle.withLock { lifecycle in
            try lifecycle.checkStartable()
            return try start(&lifecycle)
        }
    }

    private func start(_ lifecycle: inout Lifecycle) throws -> [Endpoint] {
        let (model, sockets) = try makeModel()
        for socket in configuration.inherited { socket.handOver() }
        let addresses = sockets.map(\.address)
        lifecycle.started(model, addresses)
        for socket in sockets { context.log.started(socket, model: configuration.model) }
        return addresses.map { Endpoint($0) }
    }

    /// Starts for ``run()``, unless ``start()`` was called before.
    func startForRun() throws {
        try lifecycle.withLock { lifecycle in
            if try lifecycle.beginRun() { _ = try start(&lifecycle) }
        }
    }

    private func makeModel() throws -> (any ServingModel, [ListeningSocket]) {
        guard let type = configuration.model.implementation else {
            let name = configuration.model.rawValue
            throw Failure(.modelUnavailable, "the model \(name) is not available in this build")
        }
        let sockets = try ListenerSet.open(configuration)
        do {
            guard context.hasMemoryToStart else {
                throw SystemError(call: "mmap", errno: Errno(rawValue: ENOMEM))
            }
            let model = try type.init(context, sockets)
            do {
                try model.start()
            } catch {
                model.drain(.immediate)
                model.join()
                throw error
            }
            return (model, sockets)
        } catch {
            for socket in sockets { socket.close() }
            let name = configuration.model.rawValue
            throw Failure(
                .system,
                "cannot start the model \(name): \(error)",
                errno: (error as? any ErrnoCarrying)?.errno
            )
        }
    }

    /// What serves, from the start until everything is closed.
    var servingModel: (any ServingModel)? {
        lifecycle.withLock { lifecycle in
            switch lifecycle.phase {
            case .running(let model, _), .stopping(let model, _): model
            case .initial, .stopped: nil
            }
        }
    }

    /// The addresses that are listened on, ports resolved; empty before ``start()`` and after the
    /// end.
    public var endpoints: [Endpoint] {
        lifecycle.withLock { lifecycle in
            guard case .running(_, let addresses) = lifecycle.phase else { return [] }
            return addresses.map { Endpoint($0) }
        }
    }

    /// Stops the server and waits until everything is closed.
    ///
    /// Stops accepting, after the connections already queued; goes on echoing what arrives, and
    /// ends each connection as it becomes quiet. In the last quarter of the timeout, a second at
    /// most, nothing more is read and what is owed is delivered. When the timeout has passed, the
    /// connections that are left are reset. Every byte that was received is returned to a peer
    /// that reads it in time.
    ///
    /// Called again, or while another call is waiting, it can only bring the end forward. Never
    /// throws; on a server that was not started it only makes starting impossible.
    ///
    /// - Parameter timeout: how long to go on serving, at most; zero closes everything at once.
    public func shutdown(drainingFor timeout: Duration = .seconds(5)) async {
        await withCheckedContinuation { continuation in
            beginShutdown(timeout) { continuation.resume() }
        }
    }

    /// Waits until the server has ended, by whatever means; not at all if it does not serve.
    package func waitUntilStopped() async {
        await withCheckedContinuation { continuation in
            let waits = lifecycle.withLock { $0.wait { continuation.resume() } }
            if !waits { continuation.resume() }
        }
    }

    /// Stops the server as ``shutdown(drainingFor:)`` does, without a task: the calling thread
    /// blocks until everything is closed.
    ///
    /// Needs no thread and no descriptor: works when the process has run out of both.
    package func shutDownBlocking(drainingFor timeout: Duration) {
        let ended = Gate()
        beginShutdown(timeout) { ended.open() }
        ended.wait()
    }

    /// Begins to shut down, or brings the end of a shutdown under way forward.
    ///
    /// - Parameters:
    ///   - timeout: how long to go on serving, at most.
    ///   - completion: called when everything is closed, on any thread.
    func beginShutdown(_ timeout: Duration, completion: @escaping @Sendable () -> Void) {
        let plan = timeout <= .zero ? DrainPlan.immediate : DrainPlan(timeout: timeout)
        let action = lifecycle.withLock { $0.shutDown(plan, completion) }
        switch action {
        case .complete: completion()
        case .wait: break
        case .hasten(let model): model.drain(plan)
        case .drain(let model):
            context.log.draining(statistics.active, timeout: timeout)
            model.drain(plan)
            finish(model)
        }
    }

    // Waiting blocks, so a thread does it; if there is no thread to be had, this one must.
    private func finish(_ model: any ServingModel) {
        let end: @Sendable () -> Void = { [self] in
            model.join()
            context.log.stopped(context.statistics)
            for waiter in lifecycle.withLock({ $0.finish() }) { waiter() }
        }
        do {
            try Thread(name: "shutdown", end).detach()
        } catch {
            end()
        }
    }
}
