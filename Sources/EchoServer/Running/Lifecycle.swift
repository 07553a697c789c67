import EchoSockets

/// A server's state between its creation and its end, and the waiters for the end.
struct Lifecycle: Sendable {
    /// The states of a server.
    enum Phase: Sendable {
        case initial
        /// Starting.
        case starting(StartAttempt)
        /// Starting, and shut down meanwhile.
        case startingInVain(DrainPlan)
        case running(any ServingModel, [EchoServer.Endpoint])
        /// Shut down, and serving as before until a moment, so that load balancers notice.
        case leaving(any ServingModel, [EchoServer.Endpoint], Leave)
        case stopping(any ServingModel, DrainPlan)
        case stopped
    }

    /// The time between a shutdown and the beginning of the drain.
    struct Leave: Sendable {
        /// Opened to end it early.
        let end: Gate
        /// The plan for draining afterwards.
        let drain: DrainPlan
    }

    /// What a call to shut down has to do next.
    enum ShutdownAction {
        /// There is nothing left to shut down.
        case complete
        /// Wait: another call is shutting down, and ends no later.
        case wait
        /// Wait, after cancelling the start.
        case abandon(StartAttempt)
        /// Wait, after ending the delay of another call.
        case endLeave(Gate)
        /// Wait, after bringing the end forward.
        case hasten(any ServingModel)
        /// Wait for the moment or the gate, then drain it.
        case leave(any ServingModel, Gate)
        /// Drain it.
        case drain(any ServingModel)
    }

    private(set) var phase = Phase.initial
    private var isBeingRun = false
    private var waiters: [@Sendable () -> Void] = []

    /// Notes that the start has begun.
    ///
    /// - Throws: the reason why that is not possible.
    mutating func beginStart(_ attempt: StartAttempt) throws(EchoServer.Failure) {
        switch phase {
        case .initial: phase = .starting(attempt)
        case .starting, .startingInVain, .running, .leaving, .stopping:
            throw EchoServer.Failure(.alreadyStarted, "the server was started before")
        case .stopped:
            throw EchoServer.Failure(.alreadyShutDown, "the server was shut down before")
        }
    }

    /// Notes that a task runs it until it ends.
    ///
    /// - Returns: whether that attempt starts it; otherwise it already serves.
    /// - Throws: the reason why that is not possible.
    mutating func beginRun(_ attempt: StartAttempt) throws(EchoServer.Failure) -> Bool {
        switch phase {
        case .starting, .running:
            if isBeingRun {
                throw EchoServer.Failure(.alreadyStarted, "the server is being run already")
            }
        default: break
        }
        if case .running = phase {
            isBeingRun = true
            return false
        }
        try beginStart(attempt)
        isBeingRun = true
        return true
    }

    /// Notes that it serves.
    ///
    /// - Returns: how to drain it if it was shut down meanwhile; otherwise `nil`.
    mutating func started(
        _ model: any ServingModel,
        _ endpoints: [EchoServer.Endpoint]
    ) -> DrainPlan? {
        if case .startingInVain(let plan) = phase {
            phase = .stopping(model, plan)
            return plan
        }
        phase = .running(model, endpoints)
        return nil
    }

    /// Notes that the start failed, or came too late.
    ///
    /// - Returns: the callbacks to call; it can be started again unless it was shut down meanwhile.
    mutating func startFailed() -> [@Sendable () -> Void] {
        isBeingRun = false
        if case .startingInVain = phase { return finish() }
        phase = .initial
        return []
    }

    /// Notes that it should stop; `completion` is called at the end unless the answer is
    /// `.complete`.
    mutating func shutDown(
        _ plan: ShutdownPlan,
        _ completion: @escaping @Sendable () -> Void
    ) -> ShutdownAction {
        if case .initial = phase { phase = .stopped }
        if case .stopped = phase { return .complete }
        waiters.append(completion)
        switch phase {
        case .starting(let attempt):
            phase = .startingInVain(plan.drain)
            return .abandon(attempt)
        case .startingInVain(let earlier):
            if plan.drain.deadline < earlier.deadline { phase = .startingInVain(plan.drain) }
            return .wait
        case .running(let model, let endpoints) where plan.servesUntil != nil:
            let leave = Leave(end: Gate(), drain: plan.drain)
            phase = .leaving(model, endpoints, leave)
            return .leave(model, leave.end)
        case .running(let model, _):
            phase = .stopping(model, plan.drain)
            return .drain(model)
        case .leaving(let model, let endpoints, let leave):
            guard plan.drain.deadline < leave.drain.deadline else { return .wait }
            phase = .leaving(model, endpoints, Leave(end: leave.end, drain: plan.drain))
            return .endLeave(leave.end)
        case .stopping(let model, let earlier):
            guard plan.drain.deadline < earlier.deadline else { return .wait }
            phase = .stopping(model, plan.drain)
            return .hasten(model)
        case .initial, .stopped: return .complete
        }
    }

    /// Notes that the delay is over.
    ///
    /// - Returns: how to drain it.
    mutating func endLeave() -> DrainPlan? {
        guard case .leaving(let model, _, let leave) = phase else { return nil }
        phase = .stopping(model, leave.drain)
        return leave.drain
    }

    /// Where it listens; empty before it serves and once it drains.
    var endpoints: [EchoServer.Endpoint] {
        switch phase {
        case .running(_, let endpoints), .leaving(_, let endpoints, _): endpoints
        case .initial, .starting, .startingInVain, .stopping, .stopped: []
        }
    }

    /// The plan while it drains.
    var drainPlan: DrainPlan? {
        guard case .stopping(_, let plan) = phase else { return nil }
        return plan
    }

    /// Registers a waiter for the end.
    ///
    /// - Returns: `false` if there is nothing to wait for; `completion` is not called then.
    mutating func wait(_ completion: @escaping @Sendable () -> Void) -> Bool {
        switch phase {
        case .initial, .stopped: return false
        case .starting, .startingInVain, .running, .leaving, .stopping:
            waiters.append(completion)
            return true
        }
    }

    /// Notes that everything is closed.
    ///
    /// - Returns: the callbacks to call.
    mutating func finish() -> [@Sendable () -> Void] {
        defer { waiters = [] }
        phase = .stopped
        return waiters
    }
}

/// The steps of a shutdown and their times.
struct ShutdownPlan: Hashable, Sendable {
    /// Until when the server serves as before; `nil` if it drains at once.
    let servesUntil: MonotonicTime?
    /// How it drains afterwards.
    let drain: DrainPlan

    /// A shutdown that begins now.
    ///
    /// - Parameters:
    ///   - timeout: the time limit for draining; zero does not drain.
    ///   - delay: how long to serve as before first.
    ///   - start: the time.
    init(
        drainingFor timeout: Duration,
        after delay: Duration = .zero,
        from start: MonotonicTime = .now
    ) {
        servesUntil = delay > .zero ? start + delay : nil
        let isImmediate = delay <= .zero && timeout <= .zero
        drain =
            isImmediate ? .immediate : DrainPlan(timeout: max(timeout, .zero), from: start + delay)
    }
}
