import EchoSockets
import Histogram

/// Collects times, and describes their distribution.
///
/// Minimum, maximum, mean and deviation are exact; percentiles are so for the first samples, and
/// then to one part in a thousand.
struct TimeRecorder {
    /// How many samples are kept as they are: a histogram takes more memory, and time to make.
    static let exactCount = 256

    private var samples = 0
    private var minimum = Int64.max
    private var maximum = Int64.min
    private var mean = 0.0
    // The sum of the squares of the differences from the mean (Welford).
    private var squares = 0.0
    private var exact: [Int64] = []
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
        if samples <= Self.exactCount {
            exact.append(nanoseconds)
        } else {
            if histogram == nil { fillHistogram() }
            histogram?.record(UInt64(nanoseconds))
        }
    }

    private mutating func fillHistogram() {
        // It grows for what is longer than a second.
        var made = Histogram<UInt32>(highestTrackableValue: 1_000_000_000)
        made.autoResize = true
        for time in exact { made.record(UInt64(time)) }
        histogram = made
        exact = []
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
        guard samples * (100 - percentile) >= 100 else { return nil }
        guard let histogram else {
            let rank = (samples * percentile + 99) / 100
            return .nanoseconds(exact.sorted()[rank - 1])
        }
        let value = Int64(clamping: histogram.valueAtPercentile(Double(percentile)))
        return .nanoseconds(min(max(value, minimum), maximum))
    }
}
