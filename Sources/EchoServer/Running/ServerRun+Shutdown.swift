import EchoSockets

extension ServerRun {
    /// Begins to shut down, or brings forward the end of a shutdown in progress.
    ///
    /// - Parameters:
    ///   - plan: the steps and their times.
    ///   - completion: called when everything is closed, on any thread.
    func beginShutdown(_ plan: ShutdownPlan, completion: @escaping @Sendable () -> Void = {}) {
        switch lifecycle.withLock({ $0.shutDown(plan, completion) }) {
        case .complete: completion()
        case .wait: break
        case .abandon(let attempt): attempt.abandon()
        case .endLeave(let gate): gate.open()
        case .hasten(let model): give(plan.drain, to: model)
        case .drain(let model):
            drain(model, plan.drain)
            onThread { [self] in end(model) }
        case .leave(let model, let gate):
            let moment = plan.servesUntil ?? .now
            context.log.leaving(context.statistics.active, delay: moment - .now)
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
        context.log.draining(context.statistics.active, timeout: plan.timeout)
        give(plan, to: model)
    }

    // Another thread may have brought the end forward meanwhile: the latest plan is given last.
    private func give(_ plan: DrainPlan, to model: any ServingModel) {
        var given = plan
        model.drain(given)
        while let latest = lifecycle.withLock({ $0.drainPlan }), latest != given {
            given = latest
            model.drain(given)
        }
    }

    /// Waits until the model has ended; everything is closed then.
    func end(_ model: any ServingModel) {
        model.join()
        reporter.withLock { $0.take() }?.stop()
        context.log.stopped(context.statistics)
        for waiter in lifecycle.withLock({ $0.finish() }) { waiter() }
    }

    /// Cancels a start that is in progress or has not begun; it then throws.
    ///
    /// Returns at once.
    func abandonStart() {
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
}
