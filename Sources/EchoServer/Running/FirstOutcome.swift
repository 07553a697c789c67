import EchoSockets

/// The first of several outcomes, for one task that waits for it.
///
/// Any thread.
final class FirstOutcome: Sendable {
    private struct State {
        var outcome: Bool?
        var waiter: CheckedContinuation<Bool, Never>?
    }

    private let state = Locked(State())

    /// Has a continuation resumed with the outcome; once.
    func await(_ continuation: CheckedContinuation<Bool, Never>) {
        let outcome = state.withLock { state in
            if state.outcome == nil { state.waiter = continuation }
            return state.outcome
        }
        if let outcome { continuation.resume(returning: outcome) }
    }

    /// Something has come out; only the first counts.
    func settle(_ outcome: Bool) {
        let waiter = state.withLock { state in
            guard state.outcome == nil else { return nil as CheckedContinuation<Bool, Never>? }
            state.outcome = outcome
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: outcome)
    }
}
