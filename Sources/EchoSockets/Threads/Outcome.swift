/// What comes out of something that is under way elsewhere: settled once, and waited for.
///
/// Needs no descriptor. Any thread.
package final class Outcome<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiting: [@Sendable (Value) -> Void] = []
    }

    private let state = Locked(State())

    /// Nothing has come out yet.
    package init() {}

    /// Settles it; only the first value counts.
    ///
    /// - Returns: whether this was the first.
    @discardableResult
    package func settle(_ value: Value) -> Bool {
        let waiting = state.withLock { state -> [@Sendable (Value) -> Void]? in
            guard state.value == nil else { return nil }
            state.value = value
            defer { state.waiting = [] }
            return state.waiting
        }
        guard let waiting else { return false }
        for body in waiting { body(value) }
        return true
    }

    /// Calls a body with the value: at once if it is there, otherwise on the settling thread.
    package func whenSettled(_ body: @escaping @Sendable (Value) -> Void) {
        let value = state.withLock { state in
            if state.value == nil { state.waiting.append(body) }
            return state.value
        }
        if let value { body(value) }
    }

    /// Waits for the value; blocks the calling thread.
    package func wait() -> Value {
        let settled = Latch()
        whenSettled { _ in settled.open() }
        while true {
            settled.wait()
            if let value = state.withLock({ $0.value }) { return value }
        }
    }
}
