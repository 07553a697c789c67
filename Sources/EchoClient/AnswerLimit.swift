import EchoSockets
import Glibc

/// How long an answer may stand still: the time since something moved, while something is owed.
struct AnswerLimit {
    private let timeout: Duration?
    private var end: MonotonicTime?

    /// A limit; `nil` for none.
    init(_ timeout: Duration?) {
        self.timeout = timeout
    }

    /// Begins anew: something has moved.
    mutating func restart() {
        end = nil
    }

    /// How long poll(2) may wait.
    ///
    /// - Parameter isOwed: whether it is the server that has to do something.
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
