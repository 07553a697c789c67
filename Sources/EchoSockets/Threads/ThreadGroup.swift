/// Threads that come and go, and are waited for together.
///
/// Needs no descriptor: waiting works where there is none to be had.
package final class ThreadGroup: Sendable {
    private struct State {
        var running = 0
        var isClosed = false
        /// The last one, for ``join()``.
        var last: Thread?

        var isOver: Bool { isClosed && running == 0 }
    }

    private let state = Locked(State())
    private let ended = Latch()

    /// No threads yet.
    package init() {}

    deinit {
        state.withLock { $0.last.take() }?.detach()
    }

    /// Starts a thread.
    ///
    /// - Parameters:
    ///   - name: as debuggers show it.
    ///   - stackSize: bytes of stack.
    ///   - body: what it does.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    package func start(
        name: String,
        stackSize: Int = Thread.stackSize,
        _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        state.withLock { $0.running += 1 }
        do throws(SystemError) {
            _ = try Thread(name: name, stackSize: stackSize) { [self] in
                body()
                leave(.current)
            }
        } catch {
            leave(nil)
            throw error
        }
    }

    /// Starts a thread that first sets itself up, and waits until it has.
    ///
    /// - Parameters:
    ///   - name: as debuggers show it.
    ///   - setUp: what it does first; gives what others need of it, and what it does then.
    /// - Returns: what others need of it.
    /// - Throws: what `setUp` threw, or `SystemError` when the system allows no further thread.
    package func start<Made: Sendable>(
        name: String,
        settingUp setUp: @escaping @Sendable () throws -> (made: Made, run: () -> Void)
    ) throws -> Made {
        let outcome = Outcome<Result<Made, any Error>>()
        try start(name: name) {
            do {
                let (made, run) = try setUp()
                outcome.settle(.success(made))
                run()
            } catch {
                outcome.settle(.failure(error))
            }
        }
        return try outcome.wait().get()
    }

    // Only the last is joined. The others let go of themselves: waiting for each other in a line,
    // they would end one by one, slower than new ones may come.
    private func leave(_ thread: Thread?) {
        let (former, isOver) = state.withLock { state -> (Thread?, Bool) in
            state.running -= 1
            guard state.isOver, let thread else { return (thread, state.isOver) }
            defer { state.last = thread }
            return (state.last, true)
        }
        former?.detach()
        if isOver { ended.open() }
    }

    /// Notes that no further thread will be started.
    package func close() {
        let isOver = state.withLock { state in
            state.isClosed = true
            return state.isOver
        }
        if isOver { ended.open() }
    }

    /// Waits until all threads have ended and none will be started.
    package func join() {
        ended.wait()
        state.withLock { $0.last.take() }?.join()
    }

    /// Waits for the same, until a moment.
    ///
    /// - Returns: whether it has come to that.
    package func join(until moment: MonotonicTime) -> Bool {
        guard ended.wait(until: moment) else { return false }
        join()
        return true
    }
}
