import EchoSockets

/// Applies what depends on time to the connections of one worker: idle timeout, draining, linger.
///
/// Costs nothing while nothing depends on time: there is no timer per connection, only a moment at
/// which to check all of them (rule 8: idle connections use no CPU).
final class Housekeeper {
    private let rules: EchoRules
    private var plan: DrainPlan?
    private var isFinishing = false
    /// When to check the connections; `nil` while nothing depends on time.
    private(set) var due: MonotonicTime?

    /// A housekeeper for these rules.
    init(_ rules: EchoRules) {
        self.rules = rules
    }

    /// Whether the server is shutting down.
    var isDraining: Bool { plan != nil }

    /// Whether the shutdown's deadline has passed.
    var isPastDeadline: Bool {
        guard let plan else { return false }
        return plan.deadline <= .coarse
    }

    /// Shutdown has begun, or its end has been brought forward: check at once.
    ///
    /// - Returns: whether the plan is a new one.
    @discardableResult
    func drain(_ plan: DrainPlan) -> Bool {
        guard self.plan != plan else { return false }
        self.plan = plan
        due = .coarse
        return true
    }

    /// A connection has been added or has begun to wait for something.
    func consider(_ state: EchoState) {
        if let deadline = state.deadline(rules) { consider(deadline: deadline) }
    }

    /// Something has to be checked by a moment.
    func consider(deadline: MonotonicTime) {
        due = min(due ?? deadline, deadline)
    }

    /// Whether it is time to check the connections.
    func isDue(_ now: MonotonicTime) -> Bool {
        guard let due else { return false }
        return due <= now
    }

    /// The event for each connection now.
    func event(_ now: MonotonicTime) -> EchoState.Event {
        guard let plan else { return .tick }
        if now >= plan.deadline { return .abort }
        guard now >= plan.finishAt else { return .drain }
        isFinishing = true
        return .finish
    }

    /// Sets the moment of the next check.
    ///
    /// - Parameters:
    ///   - earliest: the earliest deadline of a connection.
    ///   - isEmpty: whether there are no connections.
    ///   - now: the time.
    func schedule(
        earliest: MonotonicTime?,
        isEmpty: Bool,
        _ now: MonotonicTime
    ) {
        var next = earliest
        if let plan, !isEmpty || now < plan.deadline {
            var end = isFinishing ? plan.deadline : plan.finishAt
            // A connection with nothing pending becomes quiet without an event: check as often as
            // that takes.
            if !isEmpty, !isFinishing { end = min(end, now + rules.quietPeriod) }
            next = min(next ?? end, end)
        }
        // The shortest time between two checks, whatever the deadlines.
        due = next.map { max($0, now + .milliseconds(10)) }
    }
}
