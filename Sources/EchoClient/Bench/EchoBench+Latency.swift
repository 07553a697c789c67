import Histogram

extension EchoBench.Latency {
    /// The distribution that a histogram of nanoseconds holds; `nil` if it is empty.
    init?(_ histogram: Histogram<UInt64>) {
        guard histogram.totalCount > 0 else { return nil }
        samples = Int(histogram.totalCount)
        let shortest = Int(histogram.min)
        minimum = shortest
        maximum = Int(histogram.max)
        mean = histogram.mean
        standardDeviation = histogram.stdDeviation
        curve = Self.percentiles(upTo: samples).map { percentile in
            Point(
                percentile: percentile,
                nanoseconds: percentile == 0
                    ? shortest : Int(histogram.valueAtPercentile(percentile))
            )
        }
    }

    // Between one power of ten and the next, as many points as the curve needs to be smooth.
    private static func percentiles(upTo samples: Int) -> [Double] {
        var percentiles: [Double] = [0, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85]
        var tail = 10.0
        while tail >= 0.001 {
            percentiles += [tail, tail / 1.5, tail / 2, tail / 2.5, tail / 4, tail / 7].map {
                100 - $0
            }
            tail /= 10
        }
        return percentiles.filter { hasSamples($0, samples) }
    }

    /// Whether there are samples enough for a percentile: at least ten beyond it.
    static func hasSamples(_ percentile: Double, _ samples: Int) -> Bool {
        percentile <= 50 ? samples > 0 : Double(samples) * (100 - percentile) >= 999.999
    }
}

extension Histogram<UInt64> {
    /// A percentile in nanoseconds; `nil` if there are too few samples for it.
    func percentile(_ percentile: Double) -> Int? {
        guard EchoBench.Latency.hasSamples(percentile, Int(totalCount)) else { return nil }
        return Int(valueAtPercentile(percentile))
    }
}
