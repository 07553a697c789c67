import EchoSockets
import Histogram

/// Collects times, and describes their distribution.
///
/// Minimum, maximum, mean and deviation are exact; percentiles are so to one part in a thousand.
struct TimeRecorder {
    private var samples = 0
    private var minimum = Int64.max
    private var maximum = Int64.min
    private var mean = 0.0
    // The sum of the squares of the differences from the mean (Welford).
    private var squares = 0.0
    // Made for the first sample: it is what takes memory.
    private var histogram: Histogram<UInt32>?

    /// Records a time.
    mutating func record(_ time: Duration) {
        let nanoseconds = max(0, time.nanoseconds)
        samples += 1
        minimum = min(minimum, nanoseconds)
        maximum = max(maximum, nanoseconds)
        let difference = Double(nanoseconds) - mean
        mean += difference / Double(samples)
        squares += difference * (Double(nanoseconds) - mean)
        if histogram == nil { histogram = Histogram(numberOfSignificantValueDigits: .three) }
        histogram?.record(UInt64(nanoseconds))
    }

    /// The distribution; `nil` without a sample.
    var times: EchoPing.Times? {
        guard samples > 0 else { return nil }
        return EchoPing.Times(
            samples: samples,
            minimum: .nanoseconds(minimum),
            p50: percentile(50),
            p90: percentile(90),
            p99: percentile(99),
            maximum: .nanoseconds(maximum),
            mean: .nanoseconds(Int64(mean.rounded())),
            standardDeviation: .nanoseconds(Int64(deviation.rounded()))
        )
    }

    private var deviation: Double {
        samples > 1 ? (squares / Double(samples - 1)).squareRoot() : 0
    }

    // With fewer samples, one of them would stand for more than its share.
    private func percentile(_ percentile: Int) -> Duration? {
        guard samples * (100 - percentile) >= 100, let histogram else { return nil }
        let value = Int64(clamping: histogram.valueAtPercentile(Double(percentile)))
        return .nanoseconds(min(max(value, minimum), maximum))
    }
}
