import EchoSockets

/// A thread that is prepared first and started later, or never.
final class WorkerThread: Sendable {
    private let name: String
    private let body: @Sendable () -> Void
    private let thread = Locked<Thread?>(nil)

    /// - Parameters:
    ///   - name: as debuggers show it.
    ///   - body: what it does.
    init(name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }

    /// Starts it.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    func start() throws(SystemError) {
        let started = try Thread(name: name, body)
        thread.withLock { $0 = started }
    }

    /// Waits until it has ended; at once if it was not started.
    func join() {
        thread.withLock { $0.take() }?.join()
    }
}
