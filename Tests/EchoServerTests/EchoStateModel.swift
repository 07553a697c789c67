import EchoSockets
import Glibc

@testable import EchoServer

/// One event, and when it happens.
struct RulesStep: CustomStringConvertible {
    let event: EchoState.Event
    let now: MonotonicTime

    var description: String { "\(event) at \((now.nanoseconds - 1 << 60) / 1_000_000) ms" }
}

/// The echo rules of one connection together with what an observer knows about it: enough to say
/// whether the next answer is right.
struct RulesNode {
    var state = EchoState(at: start)
    var now = start
    var demand = EchoState.Demand.receive
    var received = 0
    var sent = 0
    var progress = start
    var isPaused = false
    var isDraining = false
    var hasInputEnded = false
    var isFinishing = false
    /// How it was when our end of stream was sent.
    var ending: EchoServer.CloseReason?
    var isClosed: Bool { demand == .close }
    var owed: Int { received - sent }

    private static let start = MonotonicTime(nanoseconds: 1 << 60)

    /// Equal for nodes that cannot be told apart by anything that happens later: whatever the rules
    /// store and the observer knows, with time only relative to the present.
    var key: [Int64] {
        var words = [
            Int64(received), Int64(sent), Int64(demand.rawValue), (now - progress).nanoseconds,
            Int64(ending.flatMap { EchoServer.CloseReason.allCases.firstIndex(of: $0) } ?? 255),
        ]
        for flag in [isPaused, isDraining, hasInputEnded, isFinishing] {
            words.append(flag ? 1 : 0)
        }
        unsafe withUnsafeBytes(of: state) { bytes in
            for start in stride(from: 0, to: bytes.count, by: 8) {
                var word: Int64 = 0
                for place in start..<min(start + 8, bytes.count) {
                    word |= unsafe Int64(bytes[place]) << Int64((place - start) * 8)
                }
                // No count and no other word of the state is that large, and every moment is.
                words.append(word >= Self.start.nanoseconds ? word - now.nanoseconds : word)
            }
        }
        return words
    }

    /// The events that a correct driver can produce now.
    func steps(_ rules: EchoRules, bytes: Int) -> [RulesStep] {
        var events: [EchoState.Event] = [
            .drain, .finish, .abort, .tick, .ready, .failed(Errno(rawValue: ECONNRESET)),
            .failed(Errno(rawValue: EPIPE)), .failed(Errno(rawValue: ETIMEDOUT)),
        ]
        // A receive posted before the rules stopped wanting input may still complete.
        let isLate = (isFinishing || isClosed) && !hasInputEnded
        if demand.contains(.receive) || isLate {
            events.append(.endOfInput)
            let room = min(state.allowance(rules), bytes - received)
            if room >= 1 { events.append(.received(1)) }
            if room >= 2 { events.append(.received(room)) }
        }
        if demand.contains(.send) {
            events += [.sent(0), .sent(1)]
            if owed > 1 { events.append(.sent(owed)) }
        }
        var steps = events.map { RulesStep(event: $0, now: now) }
        let moments = [rules.quietPeriod, rules.lingerTimeout, rules.idleTimeout ?? .zero]
            .flatMap { [progress + $0 + .nanoseconds(-1), progress + $0] }
        let deadlines = moments + [state.deadline(rules)].compactMap { $0 }
        for moment in Set(deadlines) where moment > now {
            steps += [.tick, .drain].map { RulesStep(event: $0, now: moment) }
        }
        return steps
    }

    /// Passes the step to the rules; gives the names of the invariants that do not hold then.
    mutating func take(_ step: RulesStep, _ rules: EchoRules) -> [StaticString] {
        let before = self
        now = step.now
        demand = state.handle(step.event, at: now, rules)
        observe(step.event, before, rules)
        let check = RulesCheck(before: before, after: self, event: step.event, rules: rules)
        return check.violations
    }

    // Keeps the account of an observer who sees the events and the answers, nothing else.
    private mutating func observe(
        _ event: EchoState.Event,
        _ before: RulesNode,
        _ rules: EchoRules
    ) {
        guard !before.isClosed else { return }
        switch event {
        case .received(let count) where !before.discards:
            received += count
            progress = now
            if owed >= rules.pendingLimit { isPaused = true }
        case .sent(let count):
            sent += count
            if count > 0 { progress = now }
            if owed * 2 < rules.pendingLimit - rules.pendingLimit % 2 || owed == 0 {
                isPaused = false
            }
        case .ready where before.ending == nil: progress = now
        case .endOfInput: hasInputEnded = true
        case .drain: isDraining = true
        case .finish where !before.discards: isFinishing = true
        default: break
        }
        if demand.contains(.shutdownSend) {
            ending = before.isFinishing || event == .finish || isDraining ? .drained : .idleTimeout
            progress = now
            isFinishing = true
        }
    }

    /// Whether input is not echoed any more.
    var discards: Bool { hasInputEnded || isFinishing || isClosed }
}
