import EchoClient

/// Random numbers that are the same for the same seed.
package struct SeededGenerator: RandomNumberGenerator {
    private var numbers: SplitMix64

    /// A generator.
    ///
    /// - Parameters:
    ///   - seed: the run's seed.
    ///   - stream: tells generators of one run apart.
    package init(seed: UInt64, stream: UInt64 = 0) {
        numbers = SplitMix64(seed: seed)
        numbers = SplitMix64(seed: numbers.next() ^ (stream &* SplitMix64.increment))
    }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        numbers.next()
    }

    /// A number of which each order of magnitude is equally likely, so that small ones come often
    /// and large ones too.
    package mutating func spread(over range: ClosedRange<Int>) -> Int {
        let magnitude = Int.random(
            in: range.lowerBound.bitWidthUsed...range.upperBound.bitWidthUsed,
            using: &self
        )
        guard magnitude > 0 else { return max(0, range.lowerBound) }
        let low = 1 << (magnitude - 1)
        let number = Int.random(in: low...(low * 2 - 1), using: &self)
        return min(max(number, range.lowerBound), range.upperBound)
    }

    /// Whether something happens that does so with a probability.
    package mutating func isLucky(_ probability: Double) -> Bool {
        Double.random(in: 0..<1, using: &self) < probability
    }
}

extension Int {
    fileprivate var bitWidthUsed: Int { bitWidth - leadingZeroBitCount }
}
