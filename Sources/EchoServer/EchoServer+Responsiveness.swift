import EchoSockets

extension EchoServer {
    /// Whether every serving loop turns: wakes each in the usual way, and waits for the answers.
    ///
    /// For health checks and watchdogs: a loop that hangs, for example in the accept condition,
    /// does not answer. Costs each loop one wake-up. With ``IOModel/threadPerClient``, only the
    /// accepting thread is asked, not those that wait for their clients. Any thread or task may
    /// call it, also while the server shuts down.
    ///
    /// - Parameter limit: how long to wait for the answers; a year at most.
    /// - Returns: whether all answered in time; `false` if the server does not serve.
    public func isResponsive(within limit: Duration = .seconds(1)) async -> Bool {
        guard let model = run.model else { return false }
        let outcome = Outcome<Bool>()
        let timer = Task {
            try? await Task.sleep(for: min(limit, .seconds(365 * 86_400)))
            outcome.settle(false)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            outcome.whenSettled { continuation.resume(returning: $0) }
            let heartbeat = Heartbeat { outcome.settle(true) }
            model.probe(heartbeat)
            heartbeat.answer()
        }
    }

    /// Asks every serving loop whether it turns, without a task.
    ///
    /// Any thread; does not wait. For health checks that must be answered even when no thread can
    /// run a task.
    ///
    /// - Parameter completion: called when all have answered, by the last of them or by the calling
    ///   thread; never called if a loop hangs.
    /// - Returns: whether the server serves; if not, `completion` is not called.
    package func askLoops(completion: @escaping @Sendable () -> Void) -> Bool {
        guard let model = run.model else { return false }
        let heartbeat = Heartbeat(completion: completion)
        model.probe(heartbeat)
        heartbeat.answer()
        return true
    }

    /// The serving loops that do not turn, by the names of their threads; asks each as
    /// ``isResponsive(within:)`` does.
    ///
    /// Blocks the calling thread until all have answered, or for the time given. Needs no
    /// descriptor and no thread.
    ///
    /// - Returns: the names; `nil` if the server does not serve.
    package func hangingLoops(within limit: Duration) -> [String]? {
        guard let model = run.model else { return nil }
        let answered = Gate()
        let heartbeat = Heartbeat { answered.open() }
        model.probe(heartbeat)
        heartbeat.answer()
        return answered.wait(until: .now + limit) ? [] : heartbeat.missing
    }

    /// How often a connection has been accepted, turned away or ended.
    package var connectionChanges: UInt64 { run.context.admission.changes }

    /// Calls a body once when ``connectionChanges`` differs from a value; at once if it already
    /// does.
    ///
    /// Costs nothing meanwhile.
    ///
    /// - Parameters:
    ///   - changes: the value.
    ///   - body: called once, on the thread of the change; it must be quick.
    package func onConnectionsChange(
        from changes: UInt64,
        _ body: @escaping @Sendable () -> Void
    ) {
        run.context.admission.onChange(from: changes, body)
    }
}
