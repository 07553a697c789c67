import Glibc

/// A moment of the monotonic clock, in nanoseconds.
///
/// Cheap to read and eight bytes long.
package struct MonotonicTime: Comparable, Hashable, Sendable {
    /// Nanoseconds since an unspecified start.
    package var nanoseconds: Int64

    /// A moment given in nanoseconds.
    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// Now, exactly (`CLOCK_MONOTONIC`, clock_gettime(2)).
    package static var now: MonotonicTime { read(CLOCK_MONOTONIC) }

    /// Now, to within a kernel tick (1 to 10 ms), at a fraction of the cost
    /// (`CLOCK_MONOTONIC_COARSE`).
    ///
    /// Use it for spans of a tenth of a second and more.
    package static var coarse: MonotonicTime { read(CLOCK_MONOTONIC_COARSE) }

    private static func read(_ clock: clockid_t) -> MonotonicTime {
        var time = timespec()
        _ = unsafe clock_gettime(clock, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// The order of time.
    package static func < (lhs: MonotonicTime, rhs: MonotonicTime) -> Bool {
        lhs.nanoseconds < rhs.nanoseconds
    }

    /// A later (or earlier) moment; clamped, never wrapped.
    package static func + (lhs: MonotonicTime, rhs: Duration) -> MonotonicTime {
        let (sum, overflow) = lhs.nanoseconds.addingReportingOverflow(rhs.nanoseconds)
        return MonotonicTime(nanoseconds: overflow ? (rhs < .zero ? .min : .max) : sum)
    }

    /// The span between two moments.
    package static func - (lhs: MonotonicTime, rhs: MonotonicTime) -> Duration {
        .nanoseconds(lhs.nanoseconds) - .nanoseconds(rhs.nanoseconds)
    }
}
