import EchoSockets
import Synchronization

/// A question to every serving loop of a server: whether it still turns.
///
/// A loop answers from its own thread, where it looks for what other threads have sent it, so that
/// one that hangs anywhere does not. Any thread.
final class Heartbeat: Sendable {
    /// How many wait for one loop at most.
    static let unansweredLimit = 256

    private let rest = Atomic(1)
    private let loops = Locked<[String: Int]>([:])
    private let completion: @Sendable () -> Void

    /// A question that one answer is due to: that of whoever asks, when all loops have been asked.
    ///
    /// - Parameter completion: called when all have answered, by the last.
    init(completion: @escaping @Sendable () -> Void) {
        self.completion = completion
    }

    /// One more answer is due.
    ///
    /// - Parameter loop: the name of the loop that owes it.
    func expect(_ loop: String) {
        rest.add(1, ordering: .relaxed)
        loops.withLock { $0[loop, default: 0] += 1 }
    }

    /// One answer; `nil` for that of whoever asked.
    func answer(_ loop: String? = nil) {
        if let loop { loops.withLock { $0[loop, default: 1] -= 1 } }
        if rest.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { completion() }
    }

    /// The names of the loops that have not answered, in alphabetical order.
    var missing: [String] {
        loops.withLock { $0.filter { $0.value > 0 }.keys.sorted() }
    }
}

/// Where one loop finds the heartbeats that it is to answer.
final class Pulse: Sendable {
    private struct State {
        var asked: [Heartbeat] = []
        var isOver = false
    }

    private let loop: String
    private let state = Locked(State())
    private let isAsked = Atomic(false)

    /// - Parameter loop: the name of the loop.
    init(of loop: String) {
        self.loop = loop
    }

    /// Asks the loop, unless it has ended.
    ///
    /// Any thread.
    ///
    /// - Returns: whether to wake the loop; not if that was done for an earlier heartbeat, and it has
    ///   not answered yet.
    func ask(_ heartbeat: Heartbeat) -> Bool {
        state.withLock { state in
            guard !state.isOver else { return false }
            heartbeat.expect(loop)
            // One that hangs is asked for ever: who asked first does not wait any more.
            if state.asked.count >= Heartbeat.unansweredLimit { state.asked.removeFirst() }
            state.asked.append(heartbeat)
            isAsked.store(true, ordering: .releasing)
            return state.asked.count == 1
        }
    }

    /// Answers what was asked.
    ///
    /// The loop, in its course.
    func answer() {
        guard isAsked.load(ordering: .acquiring) else { return }
        for heartbeat in take(ending: false) { heartbeat.answer(loop) }
    }

    /// Answers for the last time: the loop has ended, as it should.
    func end() {
        for heartbeat in take(ending: true) { heartbeat.answer(loop) }
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
