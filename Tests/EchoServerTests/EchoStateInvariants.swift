import EchoSockets

@testable import EchoServer

/// What must hold before and after any event.
struct RulesCheck {
    let before: RulesNode
    let after: RulesNode
    let event: EchoState.Event
    let rules: EchoRules
    /// The names of the invariants that do not hold.
    private(set) var violations: [StaticString] = []

    init(before: RulesNode, after: RulesNode, event: EchoState.Event, rules: EchoRules) {
        self.before = before
        self.after = after
        self.event = event
        self.rules = rules
        checkAccount()
        checkDemand()
        if before.isClosed {
            checkClosed()
        } else {
            if after.isClosed { checkClosing() } else { checkLiveness() }
            checkDeadline()
            checkTick()
        }
    }

    private mutating func require(_ name: StaticString, _ holds: Bool) {
        if !holds { violations.append(name) }
    }

    private var state: EchoState { after.state }
    private var demand: EchoState.Demand { after.demand }
    private var isLingering: Bool { after.ending != nil && !after.isClosed }
    private var owes: Bool { after.owed > 0 && !after.isClosed }

    private mutating func checkAccount() {
        require("owed is at least 0", state.owed >= 0)
        require("owed is at most the limit", state.owed <= rules.pendingLimit)
        require("owed is what was received less what was sent", state.owed == after.owed)
        require("received is counted", state.received == UInt64(after.received))
        require("sent is counted", state.sent == UInt64(after.sent))
        require("paused from the limit to below half of it", state.isPaused == after.isPaused)
        require("a reset if and only if bytes are owed", state.resetsOnClose == (after.owed > 0))
        require("input is discarded once it is not echoed", state.discardsInput == after.discards)
        let room = after.discards ? rules.pendingLimit : rules.pendingLimit - after.owed
        require("the allowance keeps to the limit", state.allowance(rules) == room)
    }

    private mutating func checkDemand() {
        let wantsInput = isLingering || (!after.discards && !after.isPaused)
        require("something is always demanded", demand.rawValue != 0)
        require("close stands alone", demand == .close || !demand.contains(.close))
        require("send while bytes are owed, and only then", demand.contains(.send) == owes)
        require(
            "receive while input is wanted or awaited, and only then",
            demand.contains(.receive) == wantsInput
        )
        guard demand.contains(.shutdownSend) else { return }
        require("our end of stream owing nothing", after.owed == 0)
        require("our end of stream once", before.ending == nil)
        require("our end of stream only before the peer's", !after.hasInputEnded)
    }

    private mutating func checkClosed() {
        require("nothing follows a close", demand == .close)
        require("the cause stays", state.closeCause == before.state.closeCause)
        require("the account stays", state.owed == before.state.owed)
    }

    private mutating func checkClosing() {
        require("the cause is right", state.closeCause == expectedCause)
        let isComplete = after.owed == 0
        switch state.closeCause {
        case .peerClosed:
            require("peer-closed means all was delivered", isComplete && after.hasInputEnded)
        case .drained: require("drained means all was delivered", isComplete)
        case .reset, .peerLost, .failed, .idleTimeout, .aborted: break
        }
    }

    private var expectedCause: EchoServer.CloseReason {
        if let ending = before.ending { return ending }
        switch event {
        case .failed(let errno): return EchoServer.CloseReason(errno)
        case .abort: return .aborted
        case .tick, .drain: return .idleTimeout
        case .received, .sent, .endOfInput, .ready, .finish:
            return before.isFinishing ? .drained : .peerClosed
        }
    }

    private mutating func checkDeadline() {
        let deadline = state.deadline(rules)
        let isQuiet = after.isDraining && !owes && !after.hasInputEnded
        let isTimed = !after.isClosed && (rules.idleTimeout != nil || isLingering || isQuiet)
        require(
            "a deadline while something depends on time, and only then",
            isTimed == (deadline != nil)
        )
        guard let deadline else { return }
        require("a deadline lies after the last progress", deadline > after.progress)
        switch event {
        case .received where !before.discards, .tick, .drain:
            require("after progress and after a tick the deadline lies ahead", deadline > after.now)
        case .ready where before.ending == nil:
            require("what has not been got to is progress", deadline > after.now)
        case .sent(let count) where count > 0:
            require("after progress the deadline lies ahead", deadline > after.now)
        default: break
        }
    }

    private mutating func checkTick() {
        guard event == .tick else { return }
        let steady = before.demand.subtracting(.shutdownSend)
        if let deadline = before.state.deadline(rules), after.now >= deadline {
            require("a tick at the deadline has something to do", demand != steady)
        } else {
            require("a tick before the deadline changes nothing", demand == steady)
        }
    }

    // From everywhere the end can be reached, by the peer, by time and by the server.
    private mutating func checkLiveness() {
        switch event {
        case .failed, .abort: require("a failure or an abort closes", false)
        default: break
        }
        require("all delivered after the peer's end closes", after.owed > 0 || !after.hasInputEnded)
        require("finishing, sending and the peer's end lead to a close", ends(after: .finish))
        require("sending and the peer's end lead to a close", ends(after: .tick))
        require("time alone ends what depends on time", endsByTime)
    }

    private func ends(after first: EchoState.Event) -> Bool {
        var state = state
        if state.handle(first, at: after.now, rules) == .close { return true }
        if after.owed > 0, state.handle(.sent(after.owed), at: after.now, rules) == .close {
            return true
        }
        return state.handle(.endOfInput, at: after.now, rules) == .close
    }

    private var endsByTime: Bool {
        var state = state
        for _ in 0..<3 {
            guard let deadline = state.deadline(rules) else { return true }
            if state.handle(.tick, at: deadline, rules) == .close { return true }
        }
        return false
    }
}
