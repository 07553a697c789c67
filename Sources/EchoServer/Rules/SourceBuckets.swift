import EchoSockets

/// A token bucket for each source: an IPv4 address, or an IPv6 /64, a single host's share.
///
/// Bounded memory, whatever the number of sources: a table of sets, each of four buckets. A new
/// source takes the place of the fullest bucket of its set, of which the least is lost: a full one
/// is as good as a new one. Which set is a source's depends on a random number, so that nobody can
/// choose sources that displace another's.
struct SourceBuckets: Sendable {
    /// How much may be taken at once, in seconds of the rate.
    static let depth: Int64 = 2_000_000_000

    private static let setCount = 1_024
    private static let setSize = 4

    // A bucket is a moment: the one when it will be full (or was). Each datagram puts it off by one
    // interval.
    private struct Bucket {
        var source: UInt64 = 0
        var fullAt = Int64.min
    }

    private let interval: Int64
    private let seed = UInt64.random(in: .min ... .max)
    private var buckets: [Bucket] = []

    /// Full buckets.
    ///
    /// - Parameter rate: datagrams per second, at least 1; two seconds' worth at once.
    init(rate: Int) {
        interval = 1_000_000_000 / Int64(max(1, rate))
    }

    /// The number of buckets that it ever has.
    static var capacity: Int { setCount * setSize }

    /// Takes one token of a source's.
    ///
    /// - Returns: whether there was one.
    mutating func take(from source: InternetAddress, at now: MonotonicTime) -> Bool {
        if buckets.isEmpty { buckets = Array(repeating: Bucket(), count: Self.capacity) }
        let key = key(of: source)
        let place = place(of: key)
        let time = now.nanoseconds
        var fullAt = time
        if buckets[place].source == key { fullAt = max(buckets[place].fullAt, time) }
        guard fullAt + interval - time <= Self.depth else { return false }
        buckets[place] = Bucket(source: key, fullAt: fullAt + interval)
        return true
    }

    private func key(of source: InternetAddress) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(seed)
        // Without the last 64 bits, which a host chooses itself.
        hasher.combine(source.ipv4.map { UInt64($0) } ?? source.high)
        hasher.combine(source.ipv4 == nil)
        return UInt64(truncatingIfNeeded: hasher.finalize())
    }

    // Its own place, or else the one of the fullest.
    private func place(of key: UInt64) -> Int {
        let first = Int(key % UInt64(Self.setCount)) * Self.setSize
        var fullest = first
        for place in first..<(first + Self.setSize) {
            if buckets[place].source == key { return place }
            if buckets[place].fullAt < buckets[fullest].fullAt { fullest = place }
        }
        return fullest
    }
}
