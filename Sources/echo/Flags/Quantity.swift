/// Formats quantities as flags take them.
enum Quantity {
    /// A span of time in the largest unit that needs no fraction, or in microseconds.
    static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = attoseconds / 1_000_000_000
        guard nanoseconds % 1000 == 0 else {
            let whole = seconds * 1_000_000 + nanoseconds / 1000
            let digits = String(nanoseconds % 1000 + 1000).dropFirst()
            return "\(whole).\(digits)us"
        }
        let microseconds = attoseconds / 1_000_000_000_000
        guard microseconds == 0 else {
            let all = seconds * 1_000_000 + microseconds
            return all % 1000 == 0 ? "\(all / 1000)ms" : "\(all)us"
        }
        if seconds > 0, seconds % 3600 == 0 { return "\(seconds / 3600)h" }
        if seconds > 0, seconds % 60 == 0 { return "\(seconds / 60)m" }
        return "\(seconds)s"
    }

    /// A number of bytes in the largest unit that needs no fraction.
    static func text(_ bytes: Int) -> String {
        for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where bytes > 0 && bytes % size == 0 {
            return "\(bytes / size)\(unit)"
        }
        return "\(bytes)"
    }
}
