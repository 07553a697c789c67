import EchoSockets

/// The threads that look names up, which blocks: at most 16, each gone when there is nothing to do.
///
/// Any thread.
enum LookUpThreads {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var threads = 0
    }

    private static let limit = 16
    private static let state = Locked(State())

    /// Has a body run on one of the threads, in its turn.
    ///
    /// - Throws: `EAGAIN` when the system does not allow even one thread; the body is not run.
    static func run(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let isNeeded = state.withLock { state in
            state.waiting.append(body)
            guard state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        guard isNeeded else { return }
        do throws(SystemError) {
            try Thread(name: "look-up") { work() }.detach()
        } catch {
            let isAlone = state.withLock { state in
                state.threads -= 1
                if state.threads == 0 { state.waiting.removeLast() }
                return state.threads == 0
            }
            if isAlone { throw error }
        }
    }

    private static func work() {
        while let body = next() { body() }
    }

    private static func next() -> (@Sendable () -> Void)? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.threads -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
    }
}
