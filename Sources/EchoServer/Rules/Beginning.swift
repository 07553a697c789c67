import EchoSockets

/// When a connection began, in four bytes: to a hundredth of a second, for 497 days.
struct Beginning: Sendable {
    private let hundredths: UInt32

    /// A connection that begins at that moment.
    init(at now: MonotonicTime) {
        hundredths = Self.hundredths(now)
    }

    /// How long it has existed.
    func age(at now: MonotonicTime) -> Duration {
        .milliseconds(10 * Int64(Self.hundredths(now) &- hundredths))
    }

    private static func hundredths(_ now: MonotonicTime) -> UInt32 {
        UInt32(truncatingIfNeeded: now.nanoseconds / 10_000_000)
    }
}
