import Glibc

/// The time as RFC 3339 writes it, in UTC with milliseconds.
package enum Timestamp {
    /// Now.
    package static var now: String {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        var parts = unsafe tm()
        _ = unsafe gmtime_r(&time.tv_sec, &parts)
        let date = unsafe [parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday]
        let clock = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec]
        let milliseconds = padded(CInt(time.tv_nsec / 1_000_000), to: 3)
        return date.map { padded($0) }.joined(separator: "-") + "T"
            + clock.map { padded($0) }.joined(separator: ":") + ".\(milliseconds)Z"
    }

    private static func padded(_ value: CInt, to width: Int = 2) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
