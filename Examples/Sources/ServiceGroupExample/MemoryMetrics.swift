import CoreMetrics
import Synchronization

/// A minimal metrics backend, which adds up counts in memory.
///
/// A real service would use one that exports them.
final class MemoryMetrics: MetricsFactory {
    private let sums = Mutex<[String: Double]>([:])

    /// Name, dimensions and value of all nonzero metrics.
    var lines: [String] {
        sums.withLock { sums in
            sums.filter { $0.value != 0 }.sorted { $0.key < $1.key }
                .map { "\($0.key) = \($0.value)" }
        }
    }

    fileprivate func add(_ amount: Double, to name: String) {
        sums.withLock { $0[name, default: 0] += amount }
    }

    private func handler(_ label: String, _ dimensions: [(String, String)]) -> Sum {
        let parts = [label] + dimensions.map { "\($0.0)=\($0.1)" }
        return Sum(metrics: self, name: parts.joined(separator: " "))
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        handler(label, dimensions)
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        handler(label, dimensions)
    }

    // The echo server has neither recorders nor timers.
    func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        NOOPMetricsHandler.instance
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        NOOPMetricsHandler.instance
    }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
}

/// One number.
private final class Sum: CounterHandler, MeterHandler {
    private let metrics: MemoryMetrics
    private let name: String

    init(metrics: MemoryMetrics, name: String) {
        self.metrics = metrics
        self.name = name
    }

    func increment(by amount: Int64) { metrics.add(Double(amount), to: name) }
    func increment(by amount: Double) { metrics.add(amount, to: name) }
    func decrement(by amount: Double) { metrics.add(-amount, to: name) }

    // The echo server reports only differences.
    func set(_ value: Int64) {}
    func set(_ value: Double) {}
    func reset() {}
}
