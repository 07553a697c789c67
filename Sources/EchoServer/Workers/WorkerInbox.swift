import EchoSockets
import Synchronization

/// Messages from other threads to a worker: connections and datagram sockets to serve, heartbeats
/// to answer, and when to end.
///
/// Any thread adds, the worker takes.
final class WorkerInbox: Sendable {
    /// What has been added since the worker last looked, and what holds from now on.
    struct Contents {
        var arrivals: [Arrival] = []
        var datagrams: [DatagramEndpoint] = []
        var plan: DrainPlan?
        var isClosed = false
    }

    private let contents = Locked(HandedOver(Contents()))
    private let news = Atomic(true)
    private let pulse: Pulse
    private let wake: @Sendable () -> Void

    /// - Parameters:
    ///   - loop: the name of the worker's thread.
    ///   - wake: makes the worker check the inbox, from any thread.
    init(of loop: String, wake: @escaping @Sendable () -> Void) {
        pulse = Pulse(of: loop)
        self.wake = wake
    }

    /// Whether something has been added since ``take()``.
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

    /// Hands a datagram socket over.
    func serve(_ datagrams: DatagramEndpoint) {
        contents.withLock { $0.value.datagrams.append(datagrams) }
        tell()
    }

    /// Makes the worker drain.
    ///
    /// A later plan can only be an earlier end.
    func drain(_ plan: DrainPlan) {
        contents.withLock { $0.value.plan = plan }
        tell()
    }

    /// Notes that no further connection will come.
    func close() {
        contents.withLock { $0.value.isClosed = true }
        tell()
    }

    /// Makes the worker answer a heartbeat.
    func probe(_ heartbeat: Heartbeat) {
        if pulse.ask(heartbeat) { tell() }
    }

    /// The worker has ended: the inbox takes no more.
    func end() {
        pulse.end()
    }

    /// Takes the connections that have arrived, and reads the rest.
    func take() -> Contents {
        news.store(false, ordering: .releasing)
        pulse.answer()
        return contents.withLock { contents in
            defer {
                contents.value.arrivals = []
                contents.value.datagrams = []
            }
            return contents
        }.value
    }
}
