import EchoSockets

/// Why a call did not do what it was to do, wherever it was made.
enum CallFailure: Error, Sendable {
    /// There is no connection.
    case connect(ConnectError)
    /// The connection broke.
    case lost(SystemError)
    /// The server ended the stream too early.
    case ended(after: Int, of: Int)
    /// Other bytes came back than were sent.
    case wrong(ByteDifference)
    /// The time limit is over.
    case late(Duration)
    /// Closed on this side, in words.
    case closed(String)
    /// The task has been cancelled.
    case cancelled
    /// There is no thread or no loop.
    case system(SystemError)
}
