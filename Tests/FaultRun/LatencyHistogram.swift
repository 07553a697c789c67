import EchoSockets

/// Counts of latencies, each bucket a sixteenth of an octave wide: the memory of a run of hours is
/// that of a run of seconds.
struct LatencyHistogram: Sendable {
    private var counts = [Int](repeating: 0, count: 16 * 64)
    private(set) var total = 0
    /// The longest.
    private(set) var longest = Duration.zero

    /// Notes a latency, and those of the requests that it kept from being sent: without them a
    /// stall would count once, however long it is.
    mutating func record(_ latency: Duration, expectedInterval interval: Duration) {
        longest = max(longest, latency)
        var left = latency
        repeat {
            count(left)
            left -= interval
        } while left > .zero
    }

    private mutating func count(_ latency: Duration) {
        let value = max(16, latency.nanoseconds)
        let octave = 63 - value.leadingZeroBitCount
        let part = Int(value >> Int64(octave - 4)) & 15
        counts[octave * 16 + part] += 1
        total += 1
    }

    /// The latency that so large a part of all does not exceed, rounded up to its bucket's end.
    func percentile(_ percent: Double) -> Duration {
        let wanted = Int((Double(total) * percent / 100).rounded(.up))
        var seen = 0
        for (index, count) in counts.enumerated() where count > 0 {
            seen += count
            guard seen >= wanted else { continue }
            let (octave, part) = index.quotientAndRemainder(dividingBy: 16)
            return min(longest, .nanoseconds((17 + part) << max(0, octave - 4)))
        }
        return longest
    }
}
