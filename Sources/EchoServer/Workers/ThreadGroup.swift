import EchoSockets

/// Threads that come and go, and can be waited for together.
final class ThreadGroup: Sendable {
    private struct State {
        var running = 0
        var isClosed = false
    }

    private let state = Locked(State())
    private let changed: Wakeup

    init() throws(SystemError) {
        changed = try Wakeup()
    }

    /// Starts a thread that first sets itself up, and waits until it has.
    ///
    /// - Parameters:
    ///   - name: as debuggers show it.
    ///   - setUp: what the thread does first; gives what it does then.
    /// - Throws: what `setUp` threw, or `SystemError` when the system allows no further thread.
    func start(
        name: String,
        settingUp setUp: @escaping @Sendable () throws -> () -> Void
    ) throws {
        let outcome = SetUpOutcome(try Wakeup())
        state.withLock { $0.running += 1 }
        do throws(SystemError) {
            try Thread(name: name) { [self] in
                outcome.settle(setUp)?()
                leave()
            }.detach()
        } catch {
            leave()
            throw error
        }
        try outcome.wait()
    }

    private func leave() {
        state.withLock { $0.running -= 1 }
        changed.signal()
    }

    /// Notes that no further thread will be started.
    func close() {
        state.withLock { $0.isClosed = true }
        changed.signal()
    }

    /// Waits until all threads have ended and none will be started.
    func join() {
        while true {
            changed.clear()
            if state.withLock({ $0.isClosed && $0.running == 0 }) { return }
            changed.wait(atMost: .seconds(1))
        }
    }
}

/// How setting up a thread went; made known to the thread that started it.
private final class SetUpOutcome: Sendable {
    private let result = Locked<Result<Void, any Error>?>(nil)
    private let known: Wakeup

    init(_ known: Wakeup) {
        self.known = known
    }

    /// Sets up, and makes known how it went.
    ///
    /// - Returns: what to do next; `nil` if it failed.
    func settle(_ setUp: () throws -> () -> Void) -> (() -> Void)? {
        defer { known.signal() }
        do {
            let body = try setUp()
            result.withLock { $0 = .success(()) }
            return body
        } catch {
            result.withLock { $0 = .failure(error) }
            return nil
        }
    }

    func wait() throws {
        while true {
            if let result = result.withLock({ $0 }) { return try result.get() }
            known.wait(atMost: .seconds(1))
        }
    }
}
