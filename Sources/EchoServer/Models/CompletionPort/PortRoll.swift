import EchoProactor
import EchoSockets
import Synchronization

/// The heartbeats of the workers of a completion port.
///
/// A packet does not choose its worker, so none can be asked by one. Instead, one that is posted
/// must be taken, which shows that the port delivers; and each worker that was handling something
/// when the heartbeat was asked for must have come to the end of it. Any thread.
final class PortRoll: Sendable {
    private struct Question {
        let heartbeat: Heartbeat
        let asked: Standing
        var isTaken = false
    }

    private struct State {
        var questions: [Question] = []
        var isOver = false
    }

    /// What the threads of the port's workers are called.
    static let loop = "port"

    private let port: CompletionPort
    private let state = Locked(State())
    private let hasTaken = Atomic(false)

    /// Nothing is asked yet.
    init(_ port: CompletionPort) {
        self.port = port
    }

    /// Asks, unless the workers have ended.
    ///
    /// - Returns: whether to post a packet; not if one is on its way.
    func ask(_ heartbeat: Heartbeat) -> Bool {
        let standing = port.standing
        return state.withLock { state in
            guard !state.isOver else { return false }
            heartbeat.expect(Self.loop)
            let isFirst = !state.questions.contains { !$0.isTaken }
            if state.questions.count >= Heartbeat.unansweredLimit { state.questions.removeFirst() }
            state.questions.append(Question(heartbeat: heartbeat, asked: standing))
            return isFirst
        }
    }

    /// A worker has taken the packet.
    func open() {
        state.withLock { state in
            for index in state.questions.indices { state.questions[index].isTaken = true }
        }
        hasTaken.store(true, ordering: .releasing)
    }

    /// Whether a worker that was busy is still waited for: look again soon.
    var isOpen: Bool { hasTaken.load(ordering: .acquiring) }

    /// Answers for the workers if all have moved on.
    ///
    /// Each worker, each turn; costs a load unless somebody is waited for.
    func call() {
        guard isOpen else { return }
        let standing = port.standing
        let answered = state.withLock { state in
            let (done, rest) = state.questions.partitioned {
                $0.isTaken && standing.hasMovedOn(since: $0.asked)
            }
            state.questions = rest
            hasTaken.store(rest.contains(where: \.isTaken), ordering: .releasing)
            return done.map(\.heartbeat)
        }
        for heartbeat in answered { heartbeat.answer(Self.loop) }
    }

    /// The workers have ended, as they should.
    func end() {
        let answered = state.withLock { state in
            state.isOver = true
            defer { state.questions = [] }
            return state.questions.map(\.heartbeat)
        }
        for heartbeat in answered { heartbeat.answer(Self.loop) }
    }
}

extension Array {
    /// The elements that fulfil a condition, and the others, in their order.
    fileprivate func partitioned(by condition: (Element) -> Bool) -> ([Element], [Element]) {
        (filter(condition), filter { !condition($0) })
    }
}
