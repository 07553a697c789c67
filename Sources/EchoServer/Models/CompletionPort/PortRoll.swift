import Synchronization

/// The heartbeats of the workers of a completion port.
///
/// A packet does not choose its worker, so it can ask none of them. Instead, whichever takes the
/// packet of a heartbeat, which shows that the port delivers, answers for those that wait, as they
/// should; one that is handling something answers when it has come to the end of it. Any thread.
final class PortRoll: Sendable {
    /// One worker's line.
    final class Entry: Sendable {
        private let pulse = Pulse(of: PortRoll.loop)
        // In one order with what the pulse has been asked: otherwise the one that asks might find
        // the worker busy just after it has answered for the last time.
        private let isBusy = Atomic(false)

        /// The worker begins to handle what it has taken.
        func begin() {
            isBusy.store(true, ordering: .sequentiallyConsistent)
        }

        /// The worker has come to the end of it.
        func finish() {
            isBusy.store(false, ordering: .sequentiallyConsistent)
            pulse.answer()
        }

        fileprivate func ask(_ heartbeat: Heartbeat) -> Bool { pulse.ask(heartbeat) }

        fileprivate func answerIfWaiting() {
            if !isBusy.load(ordering: .sequentiallyConsistent) { pulse.answer() }
        }

        fileprivate func end() { pulse.end() }
    }

    /// What the threads of the port's workers are called.
    static let loop = "port"

    /// The workers' lines.
    let entries: [Entry]

    /// Nothing is asked yet.
    init(workers: Int) {
        entries = (0..<workers).map { _ in Entry() }
    }

    /// Asks all workers, unless they have ended.
    ///
    /// - Returns: whether to post a packet; not if one is on its way.
    func ask(_ heartbeat: Heartbeat) -> Bool {
        var isFirst = false
        for entry in entries where entry.ask(heartbeat) { isFirst = true }
        return isFirst
    }

    /// A worker has taken the packet.
    func answerForWaiting() {
        for entry in entries { entry.answerIfWaiting() }
    }

    /// The workers have ended, as they should.
    func end() {
        for entry in entries { entry.end() }
    }
}
