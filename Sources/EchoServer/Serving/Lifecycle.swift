import Sockets

/// Where a server is between its making and its end, and who waits for the end.
struct Lifecycle: Sendable {
    /// The stations of a server's life.
    enum Phase: Sendable {
        case initial
        case running(any ServingModel, [SocketAddress])
        case stopping(any ServingModel, DrainPlan)
        case stopped
    }

    /// What a call to shut down has to do.
    enum ShutdownAction {
        /// There is nothing left to shut down.
        case complete
        /// Wait: another call is at it, and ends no later.
        case wait
        /// Wait, after bringing the end forward.
        case hasten(any ServingModel)
        /// Drain it.
        case drain(any ServingModel)
    }

    private(set) var phase = Phase.initial
    private var hasRun = false
    private var waiters: [@Sendable () -> Void] = []

    /// Checks that the server can be started now.
    func checkStartable() throws {
        switch phase {
        case .initial: return
        case .running, .stopping:
            throw EchoServer.Failure(.alreadyStarted, "the server was started before")
        case .stopped:
            throw EchoServer.Failure(.alreadyShutDown, "the server was shut down before")
        }
    }

    /// Notes that it serves.
    mutating func started(_ model: any ServingModel, _ addresses: [SocketAddress]) {
        phase = .running(model, addresses)
    }

    /// Notes that somebody runs it until it ends.
    ///
    /// - Returns: whether it has to be started first.
    mutating func beginRun() throws -> Bool {
        if hasRun, case .running = phase {
            throw EchoServer.Failure(.alreadyStarted, "the server is being run already")
        }
        if case .running = phase {
            hasRun = true
            return false
        }
        try checkStartable()
        hasRun = true
        return true
    }

    /// Notes that it is to stop; `completion` is called at the end unless the answer is
    /// `.complete`.
    mutating func shutDown(
        _ plan: DrainPlan,
        _ completion: @escaping @Sendable () -> Void
    ) -> ShutdownAction {
        switch phase {
        case .initial, .stopped:
            phase = .stopped
            return .complete
        case .running(let model, _):
            phase = .stopping(model, plan)
            waiters.append(completion)
            return .drain(model)
        case .stopping(let model, let earlier):
            waiters.append(completion)
            guard plan.deadline < earlier.deadline else { return .wait }
            phase = .stopping(model, plan)
            return .hasten(model)
        }
    }

    /// Notes that somebody waits for the end.
    ///
    /// - Returns: `false` if there is nothing to wait for; `completion` is not called then.
    mutating func wait(_ completion: @escaping @Sendable () -> Void) -> Bool {
        switch phase {
        case .initial, .stopped: return false
        case .running, .stopping:
            waiters.append(completion)
            return true
        }
    }

    /// Notes that everything is closed.
    ///
    /// - Returns: what to call.
    mutating func finish() -> [@Sendable () -> Void] {
        defer { waiters = [] }
        phase = .stopped
        return waiters
    }
}
