import EchoSockets
import Glibc

/// The end of a wait: never, at once, or a moment.
///
/// The clock is read only for the last.
struct Deadline {
    private let nanoseconds: Int64

    static var never: Deadline { Deadline(nanoseconds: .max) }
    static var now: Deadline { Deadline(nanoseconds: 0) }

    private init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The end of a wait of so long, from now; `nil` stands for ever.
    init(after timeout: Duration?) {
        guard let timeout else {
            self = .never
            return
        }
        self = timeout > .zero ? Deadline((MonotonicTime.now + timeout).nanoseconds) : .now
    }

    private init(_ moment: Int64) {
        nanoseconds = max(1, moment)
    }

    var isNow: Bool { nanoseconds == 0 }

    var isNever: Bool { nanoseconds == .max }

    /// When, unless it is never.
    var moment: MonotonicTime? {
        isNever ? nil : MonotonicTime(nanoseconds: nanoseconds)
    }

    /// Whether a moment comes before it.
    func isAfter(_ moment: MonotonicTime) -> Bool { moment.nanoseconds < nanoseconds }

    var hasPassed: Bool {
        if nanoseconds == .max { return false }
        return nanoseconds == 0 || MonotonicTime.now.nanoseconds >= nanoseconds
    }

    /// What is left, as `epoll_wait(2)` takes it.
    var milliseconds: CInt {
        if nanoseconds == .max { return -1 }
        if nanoseconds == 0 { return 0 }
        let left = nanoseconds - MonotonicTime.now.nanoseconds
        return left <= 0 ? 0 : CInt(clamping: (left + 999_999) / 1_000_000)
    }
}
