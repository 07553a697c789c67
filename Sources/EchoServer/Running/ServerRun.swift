import CoreMetrics
import EchoSockets
import Glibc
import Logging

/// The implementation of an ``EchoServer``: opens the sockets, starts the model, and ends
/// everything.
///
/// Any thread.
final class ServerRun: ServerRuntime {
    /// What all of its threads share.
    let context: ServingContext
    /// Its lifecycle state.
    let lifecycle = Locked(Lifecycle())
    let reporter = Locked<MetricsReporter?>(nil)
    private let implementation: any ServingModel.Type
    private let metricsFactory: any MetricsFactory

    /// A run that has not begun.
    ///
    /// - Parameters:
    ///   - context: what all threads share.
    ///   - implementation: the type of the model.
    ///   - metricsFactory: the metrics backend.
    init(
        _ context: ServingContext,
        servedBy implementation: any ServingModel.Type,
        _ metricsFactory: any MetricsFactory
    ) {
        self.context = context
        self.implementation = implementation
        self.metricsFactory = metricsFactory
    }

    func abandon() {
        guard case .running(let model, _) = lifecycle.withLock({ $0.phase }) else { return }
        model.drain(.immediate)
        let reporter = reporter.withLock { $0.take() }
        // Threads must be joined, and some models interrupt theirs while they do so.
        try? Thread(name: "shutdown") {
            model.join()
            reporter?.stop()
        }.detach()
    }

    /// The model, from the start until everything is closed.
    var model: (any ServingModel)? {
        lifecycle.withLock { lifecycle in
            switch lifecycle.phase {
            case .running(let model, _), .leaving(let model, _, _), .stopping(let model, _): model
            case .initial, .starting, .startingInVain, .stopped: nil
            }
        }
    }

    /// Starts, with an attempt that the lifecycle has registered.
    ///
    /// Nothing is locked meanwhile: all members of the server stay usable.
    ///
    /// - Returns: where it listens.
    /// - Throws: the reason why it does not serve; nothing stays open then.
    func start(_ attempt: StartAttempt) throws(EchoServer.Failure) -> [EchoServer.Endpoint] {
        let configuration = context.configuration
        let (model, sockets): (any ServingModel, ServedSockets)
        do throws(EchoServer.Failure) {
            try openLog()
            let addresses = try attempt.addresses(of: configuration.listen.map(\.value))
            let reporter = try makeReporter()
            self.reporter.withLock { $0 = reporter }
            (model, sockets) = try makeModel(addresses)
        } catch {
            reporter.withLock { $0.take() }?.stop()
            for waiter in lifecycle.withLock({ $0.startFailed() }) { waiter() }
            throw error
        }
        for socket in configuration.inherited { socket.handOver() }
        for started in sockets.started {
            context.log.started(started.endpoint, started.name, model: configuration.model)
            context.log.unavailable(started.unavailableOptions, on: started.endpoint)
        }
        let endpoints = sockets.started.map(\.endpoint)
        if let plan = lifecycle.withLock({ $0.started(model, endpoints) }) {
            // Clients may have connected meanwhile, and are served.
            drain(model, plan)
            end(model)
            throw StartAttempt.abandoned
        }
        return endpoints
    }

    private func openLog() throws(EchoServer.Failure) {
        do throws(SystemError) {
            try context.log.open()
        } catch {
            throw EchoServer.Failure(
                .system,
                "cannot start the log: \(error)",
                errno: error.errno
            )
        }
    }

    private func makeReporter() throws(EchoServer.Failure) -> MetricsReporter? {
        do throws(SystemError) {
            return try MetricsReporter(metricsFactory, context)
        } catch {
            throw EchoServer.Failure(
                .system,
                "cannot report metrics: \(error)",
                errno: error.errno
            )
        }
    }

    private func makeModel(
        _ addresses: [[SocketAddress]]
    ) throws(EchoServer.Failure) -> (any ServingModel, ServedSockets) {
        let configuration = context.configuration
        let sockets = try ListenerSet.open(configuration, addresses, context.log)
        do {
            guard context.hasMemoryToStart else {
                throw SystemError(call: "mmap", errno: Errno(rawValue: ENOMEM))
            }
            let model = try implementation.init(context, sockets)
            do {
                try model.start()
            } catch {
                model.drain(.immediate)
                model.join()
                throw error
            }
            return (model, sockets)
        } catch {
            sockets.close()
            throw EchoServer.Failure(
                .system,
                "cannot start the model \(configuration.model.rawValue): \(error)",
                errno: (error as? SystemError)?.errno
            )
        }
    }
}
