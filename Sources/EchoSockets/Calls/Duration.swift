import Glibc

extension Duration {
    /// The same span for `setsockopt`, at least a microsecond: zero would mean for ever.
    var timeval: timeval {
        let (seconds, attoseconds) = min(self, .longest).components
        let micros = Int(attoseconds / 1_000_000_000_000)
        if seconds <= 0 && micros <= 0 { return Glibc.timeval(tv_sec: 0, tv_usec: 1) }
        return Glibc.timeval(tv_sec: Int(clamping: seconds), tv_usec: micros)
    }

    /// Whole milliseconds, rounded up, as `poll(2)` and `epoll_wait(2)` take them; never negative.
    package var millisecondsRoundedUp: CInt {
        if self < .zero { return 0 }
        if self > .seconds(2_000_000) { return 2_000_000_000 }
        let (seconds, attoseconds) = components
        let milliseconds =
            Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
        return CInt(clamping: milliseconds)
    }

    /// Whole nanoseconds, clamped to what fits.
    package var nanoseconds: Int64 {
        if self > .longest { return .max }
        if self < .zero - .longest { return .min }
        let (seconds, attoseconds) = components
        return seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000
    }

    // Its nanoseconds still fit; `components` traps far beyond.
    private static var longest: Duration { .nanoseconds(Int64.max) }
}
