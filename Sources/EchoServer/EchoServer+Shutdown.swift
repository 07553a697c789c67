import EchoSockets

extension EchoServer {
    /// Stops the server and waits until everything is closed.
    ///
    /// Accepts the connections already queued and no more, keeps echoing what arrives, and ends
    /// each connection when it becomes quiet. In the last quarter of the timeout, a second at most,
    /// nothing more is read and pending bytes are delivered. When the timeout has passed, remaining
    /// connections are reset. Every byte received is returned to a peer that reads it in time.
    ///
    /// Called again, or while another call is waiting, it can only bring the end forward. Never
    /// throws. On a server that was not started it makes starting impossible, and it ends a start
    /// in progress.
    ///
    /// - Parameter timeout: the time limit for draining; zero closes everything at once. `nil`
    ///   (default): as configured, which is to serve as before for ``Configuration/shutdownDelay``
    ///   and then to drain for ``Configuration/drainTimeout``.
    public func shutdown(drainingFor timeout: Duration? = nil) async {
        await withCheckedContinuation { continuation in
            beginShutdown(plan(timeout)) { continuation.resume() }
        }
    }

    /// Stops the server as ``shutdown(drainingFor:)`` does, for a program without tasks: blocks the
    /// calling thread until everything is closed.
    ///
    /// Needs no thread and no descriptor, so it works when the process has run out of both. Do not
    /// call it from the accept condition, which the server waits for.
    ///
    /// - Parameter timeout: as for ``shutdown(drainingFor:)``.
    @available(*, noasync, message: "use shutdown(drainingFor:) in a task")
    public func shutdownAndWait(drainingFor timeout: Duration? = nil) {
        let ended = Gate()
        beginShutdown(plan(timeout)) { ended.open() }
        ended.wait()
    }

    /// A shutdown as configured, or with another timeout and no delay.
    private func plan(_ timeout: Duration?) -> ShutdownPlan {
        if let timeout { return ShutdownPlan(drainingFor: timeout) }
        return ShutdownPlan(
            drainingFor: configuration.drainTimeout,
            after: configuration.shutdownDelay
        )
    }

    /// Begins to shut down as configured.
    func beginShutdown() {
        beginShutdown(plan(nil)) {}
    }

    /// Begins to drain as configured, without the delay.
    func beginDraining() {
        beginShutdown(plan(configuration.drainTimeout)) {}
    }

    /// Waits until the server has ended for any reason; returns at once if it does not serve.
    func waitUntilStopped() async {
        await withCheckedContinuation { continuation in
            let waits = lifecycle.withLock { $0.wait { continuation.resume() } }
            if !waits { continuation.resume() }
        }
    }

    /// Begins to shut down, or brings forward the end of a shutdown in progress.
    ///
    /// - Parameters:
    ///   - plan: the steps and their times.
    ///   - completion: called when everything is closed, on any thread.
    private func beginShutdown(_ plan: ShutdownPlan, completion: @escaping @Sendable () -> Void) {
        switch lifecycle.withLock({ $0.shutDown(plan, completion) }) {
        case .complete: completion()
        case .wait: break
        case .abandon(let attempt): attempt.abandon()
        case .endLeave(let gate): gate.open()
        case .hasten(let model): model.drain(plan.drain)
        case .drain(let model):
            drain(model, plan.drain)
            onThread { [self] in end(model) }
        case .leave(let model, let gate):
            let moment = plan.servesUntil ?? .now
            context.log.leaving(statistics.active, delay: moment - .now)
            onThread { [self] in
                gate.wait(until: moment)
                if let plan = lifecycle.withLock({ $0.endLeave() }) { drain(model, plan) }
                end(model)
            }
        }
    }

    // Waiting blocks, so a separate thread does it; if none can be started, this one must.
    private func onThread(_ body: @escaping @Sendable () -> Void) {
        do {
            try Thread(name: "shutdown", body).detach()
        } catch {
            body()
        }
    }

    /// Makes the model drain, and logs it.
    func drain(_ model: any ServingModel, _ plan: DrainPlan) {
        context.log.draining(statistics.active, timeout: plan.timeout)
        model.drain(plan)
        // Another thread may have brought the end forward before that, without effect.
        if let latest = lifecycle.withLock({ $0.drainPlan }), latest != plan { model.drain(latest) }
    }

    /// Waits until the model has ended; everything is closed then.
    func end(_ model: any ServingModel) {
        model.join()
        reporter.withLock { $0.take() }?.stop()
        context.log.stopped(context.statistics)
        for waiter in lifecycle.withLock({ $0.finish() }) { waiter() }
    }
}
