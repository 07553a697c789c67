import Glibc

/// Places values on an axis of a chart.
struct ChartAxis: Sendable {
    /// How values are spread.
    enum Scale: Sendable {
        /// In proportion.
        case linear
        /// By orders of magnitude.
        case logarithmic
        /// Percentiles, by the orders of magnitude of what is above them.
        case tail
    }

    /// A value with its label.
    struct Tick: Sendable {
        let value: Double
        let label: String
    }

    let scale: Scale
    let ticks: [Tick]
    private let low: Double
    private let high: Double

    /// Where a value is, from 0 to 1.
    func position(_ value: Double) -> Double {
        let place = Self.place(value, scale)
        return high > low ? min(max((place - low) / (high - low), 0), 1) : 0.5
    }

    private static func place(_ value: Double, _ scale: Scale) -> Double {
        switch scale {
        case .linear: value
        case .logarithmic: log10(max(value, .leastNormalMagnitude))
        case .tail: -log10(max(1 - value / 100, 1e-9))
        }
    }

    private init(_ scale: Scale, _ range: ClosedRange<Double>, _ ticks: [Tick]) {
        self.scale = scale
        self.ticks = ticks
        (low, high) = (range.lowerBound, range.upperBound)
    }

    /// From zero to above the highest value, with four to seven steps that are round in a unit.
    static func fromZero(
        _ values: [Double],
        unit: Double = 1,
        _ label: (Double) -> String
    ) -> ChartAxis {
        let highest = max((values.max() ?? 1) / unit, 1e-9)
        let rough = highest / 5
        let power = pow(10, floor(log10(rough)))
        let step = [1, 2, 2.5, 5, 10].map { $0 * power }.first { $0 >= rough * 0.999 } ?? rough
        let count = max(Int((highest / step - 0.001).rounded(.up)), 1)
        let ticks = (0...count).map { number in
            let value = Double(number) * step * unit
            return Tick(value: value, label: number == 0 ? "0" : label(value))
        }
        return ChartAxis(.linear, 0...(Double(count) * step * unit), ticks)
    }

    /// Over the values' orders of magnitude; with 2 and 5 between the powers of ten if there are
    /// few.
    static func logarithmic(_ values: [Double], _ label: (Double) -> String) -> ChartAxis {
        let positive = values.filter { $0 > 0 }
        let least = log10(positive.min() ?? 1)
        let most = log10(positive.max() ?? 10)
        let factors: [Double] = most - least > 2.5 ? [1] : [1, 2, 5]
        let candidates = (Int(floor(least)) - 1...Int(most.rounded(.up)) + 1).flatMap { exponent in
            factors.map { $0 * pow(10, Double(exponent)) }
        }
        let first = candidates.last { log10($0) <= least + 0.001 } ?? candidates[0]
        let last = candidates.first { log10($0) >= most - 0.001 && $0 > first } ?? first * 10
        let ticks = candidates.filter { $0 >= first && $0 <= last }
            .map { Tick(value: $0, label: label($0)) }
        return ChartAxis(.logarithmic, log10(first)...log10(last), ticks)
    }

    /// Exactly these values, with their orders of magnitude between them.
    static func marked(_ values: [Double], _ label: (Double) -> String) -> ChartAxis {
        let sorted = Set(values.filter { $0 > 0 }).sorted()
        let ends = (log10(sorted.first ?? 1), log10(sorted.last ?? 1))
        let ticks = sorted.map { Tick(value: $0, label: label($0)) }
        return ChartAxis(.logarithmic, ends.0...ends.1, ticks)
    }

    /// Percentiles from 0 to the highest, each nine as wide as the one before it.
    static func tail(upTo highest: Double) -> ChartAxis {
        let end = max(place(highest, .tail), 1)
        let ticks = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999, 99.99999].filter {
            place($0, .tail) <= end + 0.02
        }
        return ChartAxis(.tail, 0...end, ticks.map { Tick(value: $0, label: percentile($0)) })
    }

    /// A percentile without zeros at its end.
    static func percentile(_ value: Double) -> String {
        value == value.rounded() ? BenchNumber.fixed(value, 0) : "\(value)"
    }

    /// The ticks that have room for their labels, the first and the last before others.
    ///
    /// - Parameters:
    ///   - length: of the axis.
    ///   - room: that a label takes.
    /// - Returns: some or all of the ticks.
    func shownTicks(length: Double, room: (String) -> Double) -> [Tick] {
        var shown: [Tick] = []
        let ends = [ticks.first, ticks.last].compactMap(\.self)
        for tick in ends + ticks {
            let fits = shown.allSatisfy { other in
                let distance = abs(position(other.value) - position(tick.value)) * length
                return distance >= (room(other.label) + room(tick.label)) / 2
            }
            if fits { shown.append(tick) }
        }
        return shown
    }
}
