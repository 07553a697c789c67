import EchoSockets

extension EchoServer {
    /// Stops the server and waits until everything is closed.
    ///
    /// Stops accepting, after the connections already queued; goes on echoing what arrives, and
    /// ends each connection as it becomes quiet. In the last quarter of the timeout, a second at
    /// most, nothing more is read and what is owed is delivered. When the timeout has passed, the
    /// connections that are left are reset. Every byte that was received is returned to a peer
    /// that reads it in time.
    ///
    /// Called again, or while another call is waiting, it can only bring the end forward. Never
    /// throws; on a server that was not started it only makes starting impossible, and a start that
    /// is under way comes to nothing.
    ///
    /// - Parameter timeout: how long to go on serving, at most; zero closes everything at once.
    ///   `nil` (default): as configured, which is to serve like before for
    ///   ``Configuration/shutdownDelay`` and then to drain for ``Configuration/drainTimeout``.
    public func shutdown(drainingFor timeout: Duration? = nil) async {
        await withCheckedContinuation { continuation in
            beginShutdown(plan(timeout)) { continuation.resume() }
        }
    }

    /// Stops the server as ``shutdown(drainingFor:)`` does, for a program without tasks: blocks the
    /// calling thread until everything is closed.
    ///
    /// Needs no thread and no descriptor: works when the process has run out of both. Not to be
    /// called from the accept condition, which the server waits for.
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

    /// Waits until the server has ended, by whatever means; not at all if it does not serve.
    func waitUntilStopped() async {
        await withCheckedContinuation { continuation in
            let waits = lifecycle.withLock { $0.wait { continuation.resume() } }
            if !waits { continuation.resume() }
        }
    }

    /// Begins to shut down, or brings the end of a shutdown under way forward.
    ///
    /// - Parameters:
    ///   - plan: what to do when.
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

    // Waiting blocks, so a thread does it; if there is no thread to be had, this one must.
    private func onThread(_ body: @escaping @Sendable () -> Void) {
        do {
            try Thread(name: "shutdown", body).detach()
        } catch {
            body()
        }
    }

    /// Has the model drain, and says so.
    func drain(_ model: any ServingModel, _ plan: DrainPlan) {
        context.log.draining(statistics.active, timeout: plan.timeout)
        model.drain(plan)
        // Another thread may have brought the end forward before that, to no avail.
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
