import EchoSockets
import Synchronization

/// What other threads tell a worker: connections to serve, heartbeats to answer, and when to end.
///
/// Any thread puts in, the worker takes out.
final class WorkerInbox: Sendable {
    /// What has been put in since the worker last looked, and what holds from now on.
    struct Contents {
        var arrivals: [Arrival] = []
        var plan: DrainPlan?
        var isClosed = false
    }

    private let contents = Locked(HandedOver(Contents()))
    private let news = Atomic(true)
    private let pulse: Pulse
    private let wake: @Sendable () -> Void

    /// - Parameters:
    ///   - loop: the name of the worker's thread.
    ///   - wake: makes the worker look, from any thread.
    init(of loop: String, wake: @escaping @Sendable () -> Void) {
        pulse = Pulse(of: loop)
        self.wake = wake
    }

    /// Whether something has been put in since ``take()``.
    var hasNews: Bool { news.load(ordering: .acquiring) }

    private func tell() {
        news.store(true, ordering: .releasing)
        wake()
    }

    /// Hands a connection over.
    func adopt(_ arrival: sending Arrival) {
        let box = HandedOver(arrival)
        contents.withLock { $0.value.arrivals.append(box.value) }
        tell()
    }

    /// Tells the worker to drain.
    ///
    /// A later plan can only be an earlier end.
    func drain(_ plan: DrainPlan) {
        contents.withLock { $0.value.plan = plan }
        tell()
    }

    /// Tells the worker that no further connection will come.
    func close() {
        contents.withLock { $0.value.isClosed = true }
        tell()
    }

    /// Has the worker answer a heartbeat.
    func probe(_ heartbeat: Heartbeat) {
        if pulse.ask(heartbeat) { tell() }
    }

    /// The worker has ended: nothing is taken any more.
    func end() {
        pulse.end()
    }

    /// Takes the connections that have arrived, and reads the rest.
    func take() -> Contents {
        news.store(false, ordering: .releasing)
        pulse.answer()
        return contents.withLock { contents in
            defer { contents.value.arrivals = [] }
            return contents
        }.value
    }
}
