extension EchoBench {
    /// The median of a figure over rounds, and the interval in which the true median lies.
    ///
    /// The interval reaches from one of the sorted values to another, so it assumes nothing about
    /// how the values are distributed, and does not depend on chance. From five rounds on it holds
    /// the true median with a probability of at least ``confidence``. Of up to eight rounds it is
    /// the whole range; of more, it leaves outliers out.
    package struct Estimate: Codable, Hashable, Sendable {
        /// The median: the mean of the two middle values if their number is even.
        package let median: Double
        /// Where the interval begins.
        package let low: Double
        /// Where the interval ends.
        package let high: Double
        /// How many rounds have a value; a figure of all rounds together counts as one.
        package let rounds: Int

        /// The least probability with which the interval holds the true median: what five rounds
        /// can reach.
        package static let confidence = 0.93
        /// Fewer rounds cannot reach ``confidence``.
        package static let leastRounds = 5

        /// The estimate from the values of rounds, in any order; `nil` without any.
        package init?(_ values: [Double]) {
            let sorted = values.filter(\.isFinite).sorted()
            guard let middle = sorted.dropFirst((sorted.count - 1) / 2).first else { return nil }
            let next = sorted[sorted.count / 2]
            median = middle + (next - middle) / 2
            let skipped = Self.skipped(of: sorted.count)
            low = sorted[skipped]
            high = sorted[sorted.count - 1 - skipped]
            rounds = sorted.count
        }

        /// The mean distance of the interval's ends from the median, as a part of it; `nil` if
        /// there is only one round, or the median is zero.
        package var spread: Double? {
            rounds > 1 && median > 0 ? (high - low) / 2 / median : nil
        }

        // The values left out at each end: as many as the binomial distribution allows. Each value
        // is above the true median with probability one half.
        private static func skipped(of count: Int) -> Int {
            var (term, tail, skipped) = (1.0, 0.0, 0)
            for _ in 0..<count { term /= 2 }
            for rank in 0..<count {
                tail += term
                guard 2 * tail <= 1 - confidence else { break }
                skipped = rank
                term *= Double(count - rank) / Double(rank + 1)
            }
            return skipped
        }
    }

    /// What a comparison of two figures says.
    package enum Verdict: String, Codable, Hashable, Sendable {
        /// The figure is higher, beyond the noise.
        case higher
        /// The figure is lower, beyond the noise.
        case lower
        /// The difference is within the noise, or too small to matter.
        case same
        /// There are too few rounds to tell.
        case unknown
    }

    /// How many times another figure a figure is.
    package struct Ratio: Codable, Hashable, Sendable {
        /// The ratio.
        package let ratio: Double
        /// Where the interval begins in which the true ratio lies.
        package let low: Double
        /// Where the interval ends.
        package let high: Double
        /// How many rounds of each were compared.
        package let rounds: Int
        /// Whether the figures differ.
        package let verdict: Verdict

        /// A smaller difference counts as none: where the linker happens to put code has as much
        /// effect.
        package static let leastDifference = 0.02

        /// The ratio of figures of the same measurement: the median of the ratios of pairs.
        ///
        /// Rounds are interleaved. What slows down the machine for a while slows down both rounds
        /// of a pair, and so does not show in their ratio.
        ///
        /// It is `nil` if there is no pair, or no value to divide by.
        ///
        /// - Parameters:
        ///   - values: the figure's, in the order of the rounds.
        ///   - others: those of the figure it is compared with, in the order of the rounds.
        package init?(_ values: [Double?], to others: [Double?]) {
            let ratios = zip(values, others).compactMap { pair -> Double? in
                guard let value = pair.0, let other = pair.1, other > 0 else { return nil }
                return value / other
            }
            guard let estimate = Estimate(ratios) else { return nil }
            self.init(estimate.median, estimate.low, estimate.high, estimate.rounds)
        }

        /// The ratio of figures of different measurements: that of the medians.
        ///
        /// They differ only if their intervals do not touch, which is a stricter test than that of
        /// pairs: the machine may have changed in between. The ratio is `nil` if there is no value
        /// to divide by.
        ///
        /// - Parameters:
        ///   - estimate: the figure's.
        ///   - other: that of the figure it is compared with.
        package init?(_ estimate: Estimate, to other: Estimate) {
            guard other.median > 0 else { return nil }
            self.init(
                estimate.median / other.median,
                other.high > 0 ? estimate.low / other.high : 0,
                other.low > 0 ? estimate.high / other.low : .greatestFiniteMagnitude,
                min(estimate.rounds, other.rounds)
            )
        }

        private init(_ ratio: Double, _ low: Double, _ high: Double, _ rounds: Int) {
            (self.ratio, self.low, self.high, self.rounds) = (ratio, low, high, rounds)
            if rounds < Estimate.leastRounds {
                verdict = .unknown
            } else if low > 1, ratio >= 1 + Self.leastDifference {
                verdict = .higher
            } else if high < 1, ratio <= 1 / (1 + Self.leastDifference) {
                verdict = .lower
            } else {
                verdict = .same
            }
        }
    }
}
