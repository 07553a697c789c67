/// Random numbers that are the same for the same seed: SplitMix64.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// A generator.
    ///
    /// - Parameters:
    ///   - seed: the run's seed.
    ///   - stream: tells generators of one run apart.
    package init(seed: UInt64, stream: UInt64 = 0) {
        state = seed
        state = next() ^ (stream &* 0x9E37_79B9_7F4A_7C15)
    }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
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
