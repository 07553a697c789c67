import EchoSockets

/// Bytes from a server that are not those it was sent.
package enum AnswerFault: Hashable, Sendable, CustomStringConvertible {
    /// How many bytes of an unexpected text are kept.
    static let shownBytes = 32

    /// A byte is another one than was sent.
    case differs(ByteDifference)
    /// Bytes came that had not been sent: from which offset on, and the first of them.
    case surplus(at: Int, bytes: [UInt8])
    /// Bytes came before anything had been sent: the first of them.
    case banner(bytes: [UInt8])

    /// One line that says what came.
    package var description: String {
        switch self {
        case .differs(let difference): "the answer \(difference)"
        case .surplus(let offset, let bytes):
            "the server sent bytes that it had not been sent, from offset \(offset) on: "
                + Self.quoted(bytes)
        case .banner(let bytes):
            "the server sent bytes before anything was sent to it: \(Self.quoted(bytes))"
        }
    }

    private static func quoted(_ bytes: [UInt8]) -> String {
        "'\(escapedText(bytes))'\(bytes.count < shownBytes ? "" : "…")"
    }
}
