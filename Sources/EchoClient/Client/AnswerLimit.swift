import EchoSockets
import Glibc

/// How long an answer may stall: the time since the last progress, while something is owed.
struct AnswerLimit {
    private let timeout: Duration?
    private var end: MonotonicTime?

    /// A limit; `nil` for none.
    init(_ timeout: Duration?) {
        self.timeout = timeout
    }

    /// Restarts the time: there was progress.
    mutating func restart() {
        end = nil
    }

    /// How long poll(2) may wait.
    ///
    /// - Parameter isOwed: whether the server has to act.
    /// - Returns: milliseconds; -1 for ever.
    mutating func pollTimeout(isOwed: Bool) -> CInt {
        guard let timeout, isOwed else {
            end = nil
            return -1
        }
        let end = end ?? .now + timeout
        self.end = end
        return (end - .now).millisecondsRoundedUp
    }

    /// Whether the time is over.
    var isOver: Bool { end.map { $0 <= .now } ?? false }
}
