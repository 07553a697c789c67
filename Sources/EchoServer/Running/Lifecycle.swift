import EchoSockets

/// Where a server is between its making and its end, and who waits for the end.
struct Lifecycle: Sendable {
    /// The stations of a server's life.
    enum Phase: Sendable {
        case initial
        /// Being started.
        case starting(StartAttempt)
        /// Being started, and shut down meanwhile.
        case startingInVain(DrainPlan)
        case running(any ServingModel, [SocketAddress])
        /// Shut down, and serving like before until a moment, so that it is noticed.
        case leaving(any ServingModel, [SocketAddress], Leave)
        case stopping(any ServingModel, DrainPlan)
        case stopped
    }

    /// The time between a shutdown and the beginning of the drain.
    struct Leave: Sendable {
        /// Opened to end it early.
        let end: Gate
        /// When to drain then.
        let drain: DrainPlan
    }

    /// What a call to shut down has to do.
    enum ShutdownAction {
        /// There is nothing left to shut down.
        case complete
        /// Wait: another call is at it, and ends no later.
        case wait
        /// Wait, after giving the start up.
        case abandon(StartAttempt)
        /// Wait, after ending the time that another call spends serving like before.
        case endLeave(Gate)
        /// Wait, after bringing the end forward.
        case hasten(any ServingModel)
        /// Let the moment come, or the gate be opened, and drain it then.
        case leave(any ServingModel, Gate)
        /// Drain it.
        case drain(any ServingModel)
    }

    private(set) var phase = Phase.initial
    private var isBeingRun = false
    private var waiters: [@Sendable () -> Void] = []

    /// Notes that it is being started.
    ///
    /// - Throws: why that is not possible.
    mutating func beginStart(_ attempt: StartAttempt) throws(EchoServer.Failure) {
        switch phase {
        case .initial: phase = .starting(attempt)
        case .starting, .startingInVain, .running, .leaving, .stopping:
            throw EchoServer.Failure(.alreadyStarted, "the server was started before")
        case .stopped:
            throw EchoServer.Failure(.alreadyShutDown, "the server was shut down before")
        }
    }

    /// Notes that somebody runs it until it ends.
    ///
    /// - Returns: whether it is being started with that attempt; if not, it serves already.
    /// - Throws: why that is not possible.
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
    /// - Returns: how to drain it: it was shut down meanwhile; `nil` if it was not.
    mutating func started(_ model: any ServingModel, _ addresses: [SocketAddress]) -> DrainPlan? {
        if case .startingInVain(let plan) = phase {
            phase = .stopping(model, plan)
            return plan
        }
        phase = .running(model, addresses)
        return nil
    }

    /// Notes that it could not be started, or not in time.
    ///
    /// - Returns: what to call; it can be started again unless it was shut down meanwhile.
    mutating func startFailed() -> [@Sendable () -> Void] {
        isBeingRun = false
        if case .startingInVain = phase { return finish() }
        phase = .initial
        return []
    }

    /// Notes that it is to stop; `completion` is called at the end unless the answer is
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
        case .running(let model, let addresses) where plan.servesUntil != nil:
            let leave = Leave(end: Gate(), drain: plan.drain)
            phase = .leaving(model, addresses, leave)
            return .leave(model, leave.end)
        case .running(let model, _):
            phase = .stopping(model, plan.drain)
            return .drain(model)
        case .leaving(let model, let addresses, let leave):
            guard plan.drain.deadline < leave.drain.deadline else { return .wait }
            phase = .leaving(model, addresses, Leave(end: leave.end, drain: plan.drain))
            return .endLeave(leave.end)
        case .stopping(let model, let earlier):
            guard plan.drain.deadline < earlier.deadline else { return .wait }
            phase = .stopping(model, plan.drain)
            return .hasten(model)
        case .initial, .stopped: return .complete
        }
    }

    /// Notes that it has served like before for long enough.
    ///
    /// - Returns: how to drain it.
    mutating func endLeave() -> DrainPlan? {
        guard case .leaving(let model, _, let leave) = phase else { return nil }
        phase = .stopping(model, leave.drain)
        return leave.drain
    }

    /// Where it listens; nowhere before it serves and from the beginning of the drain.
    var addresses: [SocketAddress] {
        switch phase {
        case .running(_, let addresses), .leaving(_, let addresses, _): addresses
        case .initial, .starting, .startingInVain, .stopping, .stopped: []
        }
    }

    /// How it drains, while it does.
    var drainPlan: DrainPlan? {
        guard case .stopping(_, let plan) = phase else { return nil }
        return plan
    }

    /// Notes that somebody waits for the end.
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
    /// - Returns: what to call.
    mutating func finish() -> [@Sendable () -> Void] {
        defer { waiters = [] }
        phase = .stopped
        return waiters
    }
}

/// What a shutdown does, and when.
struct ShutdownPlan: Hashable, Sendable {
    /// Until when the server serves like before; `nil` if it drains at once.
    let servesUntil: MonotonicTime?
    /// How it drains then.
    let drain: DrainPlan

    /// A shutdown that begins now.
    ///
    /// - Parameters:
    ///   - timeout: how long to drain, at most; not at all if it is zero.
    ///   - delay: how long to serve like before, before that.
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
