import EchoSockets

/// Applies what depends on time to the connections of one worker: idle timeout, draining, linger.
///
/// Costs nothing while nothing depends on time: there is no timer per connection, only a moment
/// at which to look at all of them (rule 8: idle connections use no CPU).
final class Housekeeper {
    private let rules: EchoRules
    private var plan: DrainPlan?
    private var isFinishing = false
    /// When to look at the connections; `nil` while nothing depends on time.
    private(set) var due: MonotonicTime?

    /// Keeps house by these rules.
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

    /// Shutdown has begun, or its end has been brought forward: look at once.
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

    /// Something is to be looked at by a moment.
    func consider(deadline: MonotonicTime) {
        due = min(due ?? deadline, deadline)
    }

    /// Whether it is time to look at the connections.
    func isDue(_ now: MonotonicTime) -> Bool {
        guard let due else { return false }
        return due <= now
    }

    /// What to tell each connection now.
    func event(_ now: MonotonicTime) -> EchoState.Event {
        guard let plan else { return .tick }
        if now >= plan.deadline { return .abort }
        guard now >= plan.finishAt else { return .drain }
        isFinishing = true
        return .finish
    }

    /// Sets the moment to look next.
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
            // Who owes nothing any more becomes quiet without a word: look as often as that takes.
            if !isEmpty, !isFinishing { end = min(end, now + rules.quietPeriod) }
            next = min(next ?? end, end)
        }
        // Not more often than this, however the deadlines lie.
        due = next.map { max($0, now + .milliseconds(10)) }
    }
}
