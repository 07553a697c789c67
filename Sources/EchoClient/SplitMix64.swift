/// Random numbers that are the same for the same seed, whatever the version of Swift.
///
/// The generator of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
    /// What tells each number's state from that of the one before.
    package static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    private var state: UInt64

    /// A generator.
    package init(seed: UInt64) {
        state = seed
    }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        state &+= Self.increment
        return Self.mixed(state)
    }

    /// The generator's finalizer: each word has one of its own, which looks random.
    static func mixed(_ value: UInt64) -> UInt64 {
        var word = value
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    /// The word that ``mixed(_:)`` makes this one of.
    static func unmixed(_ value: UInt64) -> UInt64 {
        var word = value
        word = (word ^ word >> 31 ^ word >> 62) &* 0x3196_42B2_D24D_8EC3
        word = (word ^ word >> 27 ^ word >> 54) &* 0x96DE_1B17_3F11_9089
        return word ^ word >> 30 ^ word >> 60
    }
}
