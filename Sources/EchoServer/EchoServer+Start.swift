import EchoSockets
import Glibc

extension EchoServer {
    /// Starts, with an attempt that the lifecycle has registered.
    ///
    /// Nothing is locked meanwhile: all members of the server stay usable.
    ///
    /// - Throws: the reason why it does not serve; nothing stays open then.
    func start(_ attempt: StartAttempt) throws(Failure) -> [Endpoint] {
        let (model, sockets): (any ServingModel, [ListeningSocket])
        do throws(Failure) {
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
        for socket in sockets { context.log.started(socket, model: configuration.model) }
        let addresses = sockets.map(\.address)
        if let plan = lifecycle.withLock({ $0.started(model, addresses) }) {
            // Clients may have connected meanwhile, and are served.
            drain(model, plan)
            end(model)
            throw StartAttempt.abandoned
        }
        return addresses.map { Endpoint($0) }
    }

    /// The same on a separate thread, for a task: looking up names and waiting for threads both
    /// block.
    ///
    /// - Returns: the reason why it does not serve; `nil` if it does.
    func startOnThread(_ attempt: StartAttempt) async -> Failure? {
        await withCheckedContinuation { continuation in
            do throws(SystemError) {
                try Thread(name: "start") { [self] in
                    do throws(Failure) {
                        _ = try start(attempt)
                        continuation.resume(returning: nil)
                    } catch {
                        continuation.resume(returning: error)
                    }
                }.detach()
            } catch {
                for waiter in lifecycle.withLock({ $0.startFailed() }) { waiter() }
                let failure = Failure(
                    .system,
                    "cannot start the server: \(error)",
                    errno: error.errno
                )
                continuation.resume(returning: failure)
            }
        }
    }

    /// Cancels a start that is in progress or has not begun; it then throws.
    ///
    /// Returns at once.
    package func abandonStart() {
        let attempt = lifecycle.withLock { lifecycle -> StartAttempt? in
            switch lifecycle.phase {
            case .initial, .starting:
                let plan = ShutdownPlan(drainingFor: .zero)
                guard case .abandon(let attempt) = lifecycle.shutDown(plan, {}) else { return nil }
                return attempt
            default: return nil
            }
        }
        attempt?.abandon()
    }

    private func openLog() throws(Failure) {
        do throws(SystemError) {
            try context.log.open()
        } catch {
            throw Failure(.system, "cannot start the log: \(error)", errno: error.errno)
        }
    }

    private func makeReporter() throws(Failure) -> MetricsReporter? {
        do throws(SystemError) {
            return try MetricsReporter(metricsFactory, context)
        } catch {
            throw Failure(.system, "cannot report metrics: \(error)", errno: error.errno)
        }
    }

    private func makeModel(
        _ addresses: [[SocketAddress]]
    ) throws(Failure) -> (any ServingModel, [ListeningSocket]) {
        guard let type = configuration.model.implementation else {
            let name = configuration.model.rawValue
            throw Failure(.modelUnavailable, "the model \(name) is not available in this build")
        }
        let sockets = try ListenerSet.open(configuration, addresses, context.log)
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
                errno: (error as? SystemError)?.errno
            )
        }
    }
}
