import EchoSockets

/// Finds datagrams that return and return: a loop whose round trips are too long for the bucket.
///
/// In a loop the same bytes come back from the same address and port, each time a round trip after
/// they were answered, for ever. A client may do so too: it may send "hello" each time that it has
/// been answered. Nothing tells the one from the other but to leave one unanswered: then the loop
/// is at an end, and the client goes on.
///
/// So of datagrams that are identical and less than ``longestGap`` apart, one is dropped once they
/// have been coming for ``longestAge``: a loop of one datagram lasts no longer, or three round
/// trips if these take longer. If they go on nevertheless, it is a client, or a loop of several
/// datagrams; then one in ``share`` is dropped, by which such a loop dies out, each of its
/// datagrams after ``share`` round trips on average, while a client loses less than one in a
/// hundred. A burst is over before, and a probe that sends the same each second is never concerned.
/// A loop with round trips longer than ``longestGap`` goes on: about one datagram a second.
///
/// Bounded memory, as with ``SourceBuckets``. A new datagram takes the place of one that came once,
/// if there is one in its set, rather than of a sequence that goes on: a flood hides no loop.
struct ReturnWatch: Sendable {
    /// How far apart identical datagrams may be to be one sequence: longer than round trips around
    /// the earth, shorter than the second after which probes repeat.
    static let longestGap: Int64 = 750_000_000
    /// How long a sequence may go on before one is dropped: half of what a loop may last, and
    /// longer than a test with a burst takes.
    static let longestAge: Int64 = 500_000_000
    /// How many datagrams a sequence needs to be one: a client may repeat what was lost once.
    static let fewest: UInt32 = 3
    /// Of how many one is dropped, once one was in vain.
    static let share: UInt32 = 128
    /// How long it is known that one was in vain.
    static let memory: Int64 = 10_000_000_000

    private static let setCount = 1_024
    private static let setSize = 4
    /// How many bytes of each end of a datagram count for its identity.
    ///
    /// To look at all of 65,507 would take as long as to answer them; and those that differ only in
    /// between fare no worse than those that do not differ.
    private static let sampleSize = 128

    fileprivate struct Streak {
        var key: UInt64 = 0
        var began: Int64 = 0
        var last = -ReturnWatch.memory - 1
        var count: UInt32 = 0
        var hasDropped = false
    }

    private let seed = UInt64.random(in: .min ... .max)
    private var streaks: [Streak] = []

    /// Notes a datagram that may be answered.
    ///
    /// - Returns: whether it is to be dropped.
    mutating func isReturn(
        _ bytes: UnsafeRawBufferPointer,
        from source: InternetAddress,
        at now: MonotonicTime
    ) -> Bool {
        if streaks.isEmpty {
            streaks = Array(repeating: Streak(), count: Self.setCount * Self.setSize)
        }
        let key = unsafe key(of: bytes, source)
        let time = now.nanoseconds
        let place = place(of: key, time)
        guard streaks[place].key == key, time - streaks[place].last <= Self.memory else {
            streaks[place] = Streak(key: key, began: time, last: time, count: 1)
            return false
        }
        return streaks[place].continues(at: time)
    }

    private func key(of bytes: UnsafeRawBufferPointer, _ source: InternetAddress) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(seed)
        hasher.combine(source)
        hasher.combine(bytes.count)
        let size = Self.sampleSize
        if bytes.count <= 2 * size {
            unsafe hasher.combine(bytes: bytes)
        } else {
            unsafe hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: bytes.prefix(size)))
            unsafe hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: bytes.suffix(size)))
        }
        return UInt64(truncatingIfNeeded: hasher.finalize())
    }

    // Its own place, or else the one of which the least is lost.
    private func place(of key: UInt64, _ time: Int64) -> Int {
        let first = Int(key % UInt64(Self.setCount)) * Self.setSize
        var least = first
        for place in first..<(first + Self.setSize) {
            if streaks[place].key == key { return place }
            let (one, other) = (streaks[place], streaks[least])
            if one.worth(at: time) < other.worth(at: time) { least = place }
        }
        return least
    }
}

extension ReturnWatch.Streak {
    // The last moment of it, or long ago if it has not come twice.
    fileprivate func worth(at time: Int64) -> Int64 {
        let isForgotten = time - last > ReturnWatch.memory
        return count > 1 || hasDropped || isForgotten ? last : last - ReturnWatch.memory
    }

    /// One more has come.
    ///
    /// - Returns: whether it is to be dropped.
    fileprivate mutating func continues(at time: Int64) -> Bool {
        let gap = time - last
        last = time
        guard gap <= ReturnWatch.longestGap else {
            (began, count) = (time, 1)
            return false
        }
        count += 1
        let isDue =
            hasDropped
            ? count >= ReturnWatch.share
            : count >= ReturnWatch.fewest && time - began >= ReturnWatch.longestAge
        guard isDue else { return false }
        (hasDropped, count) = (true, 0)
        return true
    }
}
