import EchoSockets
import Testing

struct TimeTests {
    @Test func `moments are ordered and their distance is a duration`() {
        let start = MonotonicTime(nanoseconds: 1_000)
        #expect(start + .microseconds(2) == MonotonicTime(nanoseconds: 3_000))
        #expect(start + .nanoseconds(-1_500) == MonotonicTime(nanoseconds: -500))
        #expect(start < start + .nanoseconds(1))
        #expect((start + .seconds(5)) - start == .seconds(5))
    }

    @Test func `arithmetic is clamped, never wrapped`() {
        let (first, last) = (
            MonotonicTime(nanoseconds: .min), MonotonicTime(nanoseconds: .max)
        )
        #expect(last + .nanoseconds(1) == last)
        #expect(first + .nanoseconds(-1) == first)
        #expect(MonotonicTime(nanoseconds: 5) + .seconds(Int64.max) == last)
        #expect(MonotonicTime(nanoseconds: -5) + .seconds(Int64.min) == first)
        #expect(last - first > .zero)
        #expect(first - last < .zero)
    }

    @Test func `the clock goes forward, the coarse one no more than a tick behind`() {
        let before = MonotonicTime.now
        let coarse = MonotonicTime.coarse
        let after = MonotonicTime.now
        #expect(before <= after)
        #expect(coarse <= after)
        #expect(before - coarse < .milliseconds(50))
    }

    @Test(
        arguments: [
            (Duration.zero, 0), (.nanoseconds(1), 1), (.microseconds(999), 1),
            (.milliseconds(1), 1),
            (.microseconds(1_001), 2), (.seconds(5), 5_000), (.milliseconds(1_999), 1_999),
            (.nanoseconds(-1), 0), (.seconds(-5), 0), (.seconds(1_000_000), 1_000_000_000),
            (.seconds(3_000_000), 2_000_000_000), (.seconds(Int64.max), 2_000_000_000),
            (.seconds(Int64.min), 0),
        ] as [(Duration, CInt)]
    )
    func `milliseconds for poll are rounded up and fit`(duration: Duration, expected: CInt) {
        #expect(duration.millisecondsRoundedUp == expected)
    }

    @Test(
        arguments: [
            (Duration.zero, 0), (.nanoseconds(7), 7), (.seconds(-2), -2_000_000_000),
            (.milliseconds(-1), -1_000_000), (.seconds(Int64.max), .max),
            (.seconds(Int64.min), .min),
            (.seconds(9_223_372_036), 9_223_372_036_000_000_000),
            (.seconds(9_223_372_037), .max), (.seconds(-9_223_372_037), .min),
            (.seconds(9_223_372_036) + .milliseconds(999), .max),
        ] as [(Duration, Int64)]
    )
    func `nanoseconds are clamped`(duration: Duration, expected: Int64) {
        #expect(duration.nanoseconds == expected)
    }
}
