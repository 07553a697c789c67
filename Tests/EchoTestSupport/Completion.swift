import EchoSockets

/// A value that comes once, and that any number of tasks may wait for.
package final class Completion<Value: Sendable>: Sendable {
    private enum State: Sendable {
        case pending([CheckedContinuation<Value, Never>])
        case complete(Value)
    }

    private let state = Locked<State>(.pending([]))

    /// A completion whose value has yet to come.
    package init() {}

    /// Gives the value; `false` if there was one already, which stays.
    @discardableResult
    package func complete(_ value: Value) -> Bool {
        let waiting: [CheckedContinuation<Value, Never>]? = state.withLock { state in
            guard case .pending(let waiting) = state else { return nil }
            state = .complete(value)
            return waiting
        }
        for continuation in waiting ?? [] { continuation.resume(returning: value) }
        return waiting != nil
    }

    /// The value, if it has come.
    package var current: Value? {
        state.withLock { state in
            guard case .complete(let value) = state else { return nil }
            return value
        }
    }

    /// Waits for the value.
    package var value: Value {
        get async {
            await withCheckedContinuation { continuation in
                let ready: Value? = state.withLock { state in
                    switch state {
                    case .complete(let value):
                        return value
                    case .pending(let waiting):
                        state = .pending(waiting + [continuation])
                        return nil
                    }
                }
                if let ready { continuation.resume(returning: ready) }
            }
        }
    }
}
