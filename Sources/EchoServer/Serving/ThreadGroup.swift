import Sockets
import Synchronization

/// Threads that come and go, and can be waited for together.
final class ThreadGroup: Sendable {
    private struct State {
        var running = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let changed: Wakeup

    init() throws(SystemError) {
        changed = try Wakeup()
    }

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: as debuggers show it.
    ///   - body: what it does.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    func start(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        state.withLock { $0.running += 1 }
        do throws(SystemError) {
            try Thread(name: name) { [self] in
                body()
                leave()
            }.detach()
        } catch {
            leave()
            throw error
        }
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
