import EchoSockets
import Synchronization

/// A query to every serving loop of a server, whether it still turns.
///
/// A loop answers from its own thread, where it checks for messages from other threads, so a loop
/// that hangs anywhere does not answer. Any thread.
final class Heartbeat: Sendable {
    /// The most heartbeats that wait for one loop.
    static let unansweredLimit = 256

    private let rest = Atomic(1)
    private let loops = Locked<[String: Int]>([:])
    private let completion: @Sendable () -> Void

    /// A heartbeat with one answer due: the sender's, given when all loops have been asked.
    ///
    /// - Parameter completion: called when all have answered, by the last.
    init(completion: @escaping @Sendable () -> Void) {
        self.completion = completion
    }

    /// One more answer is due.
    ///
    /// - Parameter loop: the name of the loop.
    func expect(_ loop: String) {
        rest.add(1, ordering: .relaxed)
        loops.withLock { $0[loop, default: 0] += 1 }
    }

    /// One answer; `nil` for the sender's.
    func answer(_ loop: String? = nil) {
        if let loop { loops.withLock { $0[loop, default: 1] -= 1 } }
        if rest.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { completion() }
    }

    /// The names of the loops that have not answered, in alphabetical order.
    var missing: [String] {
        loops.withLock { $0.filter { $0.value > 0 }.keys.sorted() }
    }
}

/// The heartbeats that a loop has to answer.
final class Pulse: Sendable {
    private struct State {
        var asked: [Heartbeat] = []
        var isOver = false
    }

    private let loop: String
    private let state = Locked(State())
    // Sequentially consistent: see ``PortRoll/Entry``.
    private let isAsked = Atomic(false)

    /// - Parameter loop: the name of the loop.
    init(of loop: String) {
        self.loop = loop
    }

    /// Asks the loop, unless it has ended.
    ///
    /// Any thread.
    ///
    /// - Returns: whether to wake the loop; not if it was woken for an earlier heartbeat and has
    ///   not answered yet.
    func ask(_ heartbeat: Heartbeat) -> Bool {
        state.withLock { state in
            guard !state.isOver else { return false }
            heartbeat.expect(loop)
            // A loop that hangs is asked for ever: earlier senders no longer wait.
            if state.asked.count >= Heartbeat.unansweredLimit { state.asked.removeFirst() }
            state.asked.append(heartbeat)
            isAsked.store(true, ordering: .sequentiallyConsistent)
            return state.asked.count == 1
        }
    }

    /// Answers all heartbeats.
    ///
    /// Called by the loop, in its normal course.
    func answer() {
        guard isAsked.load(ordering: .sequentiallyConsistent) else { return }
        for heartbeat in take(ending: false) { heartbeat.answer(loop) }
    }

    /// Answers for the last time: the loop has ended normally.
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
