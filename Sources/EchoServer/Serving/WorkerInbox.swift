import Sockets
import Synchronization

/// What other threads tell a worker: connections to serve, and when to end. Any thread puts in,
/// the worker takes out.
final class WorkerInbox: Sendable {
    /// What has been put in since the worker last looked, and what holds from now on.
    struct Contents {
        var arrivals: [Arrival] = []
        var plan: DrainPlan?
        var isClosed = false
    }

    private let contents = Mutex(HandedOver(Contents()))
    private let wake: @Sendable () -> Void

    /// - Parameter wake: makes the worker look, from any thread.
    init(wake: @escaping @Sendable () -> Void) {
        self.wake = wake
    }

    /// Hands a connection over.
    func adopt(_ arrival: sending Arrival) {
        let box = HandedOver(arrival)
        contents.withLock { $0.value.arrivals.append(box.value) }
        wake()
    }

    /// Tells the worker to drain. A later plan can only be an earlier end.
    func drain(_ plan: DrainPlan) {
        contents.withLock { $0.value.plan = plan }
        wake()
    }

    /// Tells the worker that no further connection will come.
    func close() {
        contents.withLock { $0.value.isClosed = true }
        wake()
    }

    /// Takes the connections that have arrived, and reads the rest.
    func take() -> Contents {
        contents.withLock { contents in
            defer { contents.value.arrivals = [] }
            return contents
        }.value
    }
}

/// A value that changes threads once, and is not used any more by the one it came from.
struct HandedOver<Value>: @unchecked Sendable {
    var value: Value

    init(_ value: Value) {
        self.value = value
    }
}
