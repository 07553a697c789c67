import Glibc
import Synchronization

/// Closes sockets on threads of its own, and interrupts a close that waits.
enum PatientCloser {
    private struct State {
        var waiting: [CInt] = []
        var isRunning = false
    }

    private static let state = Locked(State())

    /// Closes a socket eventually.
    static func close(_ number: CInt) {
        let starts = state.withLock { state in
            state.waiting.append(number)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        guard starts else { return }
        do throws(SystemError) {
            try Thread(name: "closing", stackSize: 128 * 1024, run).detach()
        } catch {
            run()
        }
    }

    private static func run() {
        while let number = next() { closeOne(number) }
    }

    private static func next() -> CInt? {
        state.withLock { state in
            if state.waiting.isEmpty { state.isRunning = false }
            return state.waiting.popLast()
        }
    }

    // A signal ends the SO_LINGER wait; one that comes too early is followed by another.
    private static func closeOne(_ number: CInt) {
        guard let signal = InterruptSignal.shared else {
            _ = Glibc.close(number)
            return
        }
        let shared = Closing(number)
        do throws(SystemError) {
            let thread = try Thread(name: "closing", stackSize: 128 * 1024) {
                signal.unblock()
                shared.close()
            }
            var pause = CInt(1)
            while !shared.isClosed {
                _ = poll(nil, 0, pause)
                pause = min(2 * pause, 16)
                thread.interrupt(with: signal)
            }
            thread.join()
        } catch {
            shared.close()
        }
    }
}

/// A close in progress.
private final class Closing: Sendable {
    private let number: CInt
    private let done = Atomic<Bool>(false)

    init(_ number: CInt) {
        self.number = number
    }

    var isClosed: Bool { done.load(ordering: .acquiring) }

    func close() {
        _ = Glibc.close(number)
        done.store(true, ordering: .releasing)
    }
}
