import EchoSockets

/// Counts events, and returns from time to time how many there were since the last report.
///
/// Any thread.
final class Occasions: Sendable {
    private static let interval: Duration = .seconds(10)

    private struct State {
        var count = 0
        var next = MonotonicTime(nanoseconds: .min)
    }

    private let state = Locked(State())

    /// Counts once more, or several times.
    ///
    /// - Returns: the count since the last time it was returned; `nil` if that was less than ten
    ///   seconds ago.
    func count(_ times: Int = 1) -> Int? {
        state.withLock { state in
            state.count += times
            let now = MonotonicTime.now
            guard now >= state.next else { return nil }
            defer { state.count = 0 }
            state.next = now + Self.interval
            return state.count
        }
    }

    /// The count that has not been returned; `nil` if there is none.
    func rest() -> Int? {
        state.withLock { state in
            defer { state.count = 0 }
            return state.count > 0 ? state.count : nil
        }
    }
}
