import Sockets
import Synchronization

/// What other threads tell a worker: connections to serve, and when to end.
///
/// Any thread puts in, the worker takes out.
final class WorkerInbox<Element>: Sendable {
    /// What has been put in since the worker last looked, and what holds from now on.
    struct Contents {
        var adopted: [Element] = []
        var plan: DrainPlan?
        var isClosed = false
    }

    // The elements change threads with the message; nobody else keeps them.
    private struct State: @unchecked Sendable {
        var contents = Contents()
    }

    private let state = Mutex(State())
    private let wake: @Sendable () -> Void

    /// - Parameter wake: makes the worker look, from any thread.
    init(wake: @escaping @Sendable () -> Void) {
        self.wake = wake
    }

    /// Hands a connection over.
    func adopt(_ element: sending Element) {
        let box = HandedOver(element)
        state.withLock { $0.contents.adopted.append(box.value) }
        wake()
    }

    /// Tells the worker to drain.
    ///
    /// A later plan can only be an earlier end.
    func drain(_ plan: DrainPlan) {
        state.withLock { $0.contents.plan = plan }
        wake()
    }

    /// Tells the worker that no further connection will come.
    func close() {
        state.withLock { $0.contents.isClosed = true }
        wake()
    }

    /// Takes the adopted connections, and reads the rest.
    func take() -> Contents {
        state.withLock { state -> HandedOver<Contents> in
            let contents = state.contents
            state.contents.adopted = []
            return HandedOver(contents)
        }.value
    }
}

/// A value that changes threads once and is not used by the one it came from any more.
struct HandedOver<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
