import Sockets
import Synchronization

/// A question to every serving loop of a server: whether it still turns.
///
/// A loop answers from its own thread, where it looks for what other threads have sent it, so that
/// one that hangs anywhere does not. Any thread.
final class Heartbeat: Sendable {
    /// How many wait for one loop at most.
    static let unansweredLimit = 64

    private let missing = Atomic(1)
    private let completion: @Sendable () -> Void

    /// A question that one answer is due to: that of whoever asks, when all loops have been asked.
    ///
    /// - Parameter completion: called when all have answered, by the last.
    init(completion: @escaping @Sendable () -> Void) {
        self.completion = completion
    }

    /// One more answer is due.
    func expect() {
        missing.add(1, ordering: .relaxed)
    }

    /// One answer.
    func answer() {
        if missing.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { completion() }
    }
}

/// Where one loop finds the heartbeats that it is to answer.
final class Pulse: Sendable {
    private struct State {
        var asked: [Heartbeat] = []
        var isOver = false
    }

    private let state = Locked(State())
    private let isAsked = Atomic(false)

    /// Asks the loop, unless it has ended.
    ///
    /// Any thread.
    ///
    /// - Returns: whether to wake the loop.
    func ask(_ heartbeat: Heartbeat) -> Bool {
        state.withLock { state in
            guard !state.isOver else { return false }
            heartbeat.expect()
            // One that hangs is not asked for ever: without its answer the others come to nothing.
            guard state.asked.count < Heartbeat.unansweredLimit else { return false }
            state.asked.append(heartbeat)
            isAsked.store(true, ordering: .releasing)
            return true
        }
    }

    /// Answers what was asked.
    ///
    /// The loop, in its course.
    func answer() {
        guard isAsked.load(ordering: .acquiring) else { return }
        for heartbeat in take(ending: false) { heartbeat.answer() }
    }

    /// Answers for the last time: the loop has ended, as it should.
    func end() {
        for heartbeat in take(ending: true) { heartbeat.answer() }
    }

    private func take(ending: Bool) -> [Heartbeat] {
        state.withLock { state in
            isAsked.store(false, ordering: .releasing)
            state.isOver = state.isOver || ending
            defer { state.asked = [] }
            return state.asked
        }
    }
}
