import EchoServer
import EchoSockets
import Glibc
import Logging
import Synchronization

/// The signals of a server, taken by a separate thread: even if others hang, a second signal ends
/// the process, and so does the end of the time for stopping.
///
/// Uses neither Dispatch nor tasks, which may need new threads and descriptors: a server that has
/// run out of either must still stop on a signal. Any thread.
final class TerminationSignals: Sendable {
    /// How long after the drain timeout the process exits by itself, if a thread hangs.
    static let grace = Duration.seconds(3)

    private struct State {
        var limit = Duration.seconds(5)
        var server: EchoServer?
        var hasStarted = false
    }

    private let state = Locked(State())
    private let first = Outcome<Bool>()
    private let isFirstTaken = Atomic(false)
    private let hasCaughtUp = Gate()

    /// Starts to take the signals that ``Signals/hold()`` keeps pending.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    init() throws(SystemError) {
        try Thread(name: "signals") { [self] in takeSignals() }.detach()
    }

    /// Sets how long stopping may take, and the server whose loops are checked if it takes longer.
    func bound(_ server: EchoServer, stoppingWithin limit: Duration) {
        state.withLock { $0 = State(limit: limit, server: server) }
    }

    /// Notes that the server has started: it can no longer be the start that hangs.
    func started() {
        state.withLock { $0.hasStarted = true }
    }

    /// Calls a body at the first termination signal; at once if it has arrived.
    ///
    /// - Parameter body: must be quick.
    func whenStopping(_ body: @escaping @Sendable () -> Void) {
        first.whenSettled { _ in body() }
    }

    /// Whether the first termination signal has arrived.
    var isStopping: Bool { isFirstTaken.load(ordering: .acquiring) }

    /// Waits for the first termination signal.
    func wait() {
        _ = first.wait()
    }

    // Means nothing to a server, and comes after all that end one: of those pending, the kernel
    // gives the lowest number first.
    private static let marker = SIGWINCH

    /// Waits until the signals that have arrived so far are taken.
    ///
    /// The machine may let their thread run late. Call it once.
    func catchUp() {
        if kill(getpid(), Self.marker) == 0 { hasCaughtUp.wait() }
    }

    private func takeSignals() {
        var begin: MonotonicTime?
        var overruns = 0
        while true {
            let number = next(until: begin.map { end(after: $0, overruns) })
            switch number {
            case SIGQUIT: Signals.end(by: SIGQUIT)
            case SIGTERM, SIGINT:
                if begin != nil { Signals.end(by: number) }
                begin = .now
                isFirstTaken.store(true, ordering: .releasing)
                first.settle(true)
                state.withLock { $0.server }?.abandonStart()
            case Self.marker: hasCaughtUp.open()
            case 0:
                guard let begin, end(after: begin, overruns) <= .now else { continue }
                overruns += 1
                endIfHanging(overruns)
            default: break
            }
        }
    }

    private func end(after begin: MonotonicTime, _ overruns: Int) -> MonotonicTime {
        begin + state.withLock { $0.limit } + Self.grace * (overruns + 1)
    }

    /// The next signal; 0 if none arrives in time.
    private func next(until end: MonotonicTime?) -> CInt {
        var set = Signals.held
        guard let end else {
            var number: CInt = 0
            return unsafe sigwait(&set, &number) == 0 ? number : 0
        }
        let rest = max(0, (end - .now).nanoseconds)
        var time = timespec(tv_sec: Int(rest / 1_000_000_000), tv_nsec: Int(rest % 1_000_000_000))
        return max(0, unsafe sigtimedwait(&set, nil, &time))
    }

    // If every loop turns, the machine may just be slow: wait a while.
    private func endIfHanging(_ overruns: Int) {
        let state = state.withLock { $0 }
        let hanging = Self.hangingLoops(in: state)
        guard !hanging.isEmpty || overruns > 2 else { return }
        let name = hanging.isEmpty ? ["unknown"] : hanging
        StandardError.write(
            StandardError.format.line(
                .critical,
                "it has not stopped in time, and ends now: something hangs",
                [
                    "hanging": "\(name.joined(separator: ","))",
                    "timeout-seconds": .stringConvertible(state.limit.components.seconds),
                ]
            )
        )
        StandardError.flush()
        _exit(Exit.hanging)
    }

    // On another thread, because asking may hang as well.
    private static func hangingLoops(in state: State) -> [String] {
        guard let server = state.server else { return ["start"] }
        // Without loops it has not come so far, or they have all ended.
        let others = state.hasStarted ? [] : ["start"]
        let asked = Asked()
        do throws(SystemError) {
            try Thread(name: "diagnosis") {
                let loops = server.hangingLoops(within: .milliseconds(500))
                asked.loops.withLock { $0 = loops ?? others }
                asked.isDone.open()
            }.detach()
        } catch {
            return ["unknown"]
        }
        guard asked.isDone.wait(until: .now + .seconds(1)) else { return ["unknown"] }
        return asked.loops.withLock { $0 }
    }

    private final class Asked: Sendable {
        let loops = Locked<[String]>([])
        let isDone = Gate()
    }
}
