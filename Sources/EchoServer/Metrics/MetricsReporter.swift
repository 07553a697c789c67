import CoreMetrics
import EchoSockets
import Synchronization

/// Reports a server's counts to a metrics backend.
///
/// A separate thread adds up what the serving threads have counted, once a second while something
/// changes, and reports the differences. Echoing therefore costs no more than without metrics, and
/// a slow backend delays no client. When nothing changes, the thread sleeps until something is
/// counted.
final class MetricsReporter: Sendable {
    private let signal: ActivitySignal
    private let thread: Thread
    private let isStopping: Flag
    private let hasEnded: Latch

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    /// The shortest time between two reports.
    static let interval: Duration = .seconds(1)
    /// How long the end waits for the backend.
    static let patience: Duration = .seconds(5)

    /// Begins to report; `nil` if the backend is the no-op one.
    ///
    /// - Parameters:
    ///   - factory: the backend.
    ///   - context: the server's context, with the counts.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    init?(_ factory: any MetricsFactory, _ context: ServingContext) throws(SystemError) {
        guard !(factory is NOOPMetricsHandler) else { return nil }
        let (signal, flag, latch) = (ActivitySignal(), Flag(), Latch())
        self.signal = signal
        isStopping = flag
        hasEnded = latch
        // Before any serving thread has its counters.
        context.notify(signal)
        thread = try Thread(name: "metrics") {
            Self.report(factory, context, signal) { flag.value.load(ordering: .acquiring) }
            latch.open()
        }
    }

    /// Reports the last counts, and ends; a backend that hangs is left alone after ``patience``.
    ///
    /// Called once, when nothing is counted any more.
    func stop() {
        isStopping.value.store(true, ordering: .releasing)
        signal.wake()
        if hasEnded.wait(until: .now + Self.patience) { thread.join() } else { thread.detach() }
    }

    private static func report(
        _ factory: any MetricsFactory,
        _ context: ServingContext,
        _ signal: ActivitySignal,
        until isStopping: () -> Bool
    ) {
        var handlers = MetricHandlers(factory)
        var told = EchoServer.Statistics()
        var quietRounds = 0
        while true {
            let isLast = isStopping()
            let statistics = context.statistics
            if statistics != told {
                handlers.tell(statistics)
                told = statistics
                quietRounds = 0
            } else {
                quietRounds += 1
                signal.expect()
            }
            if isLast { break }
            // The second look finds what was being counted while the first one was taken.
            signal.sleep(atMost: quietRounds < 2 ? interval : nil)
        }
    }
}
