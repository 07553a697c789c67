import EchoSockets

/// The first byte of an answer that is not the one that was sent.
package struct ByteDifference: Hashable, Sendable, CustomStringConvertible {
    /// Its offset.
    package let offset: Int
    /// The byte that was sent.
    package let expected: UInt8
    /// The byte that came.
    package let received: UInt8

    /// A difference.
    package init(offset: Int, expected: UInt8, received: UInt8) {
        self.offset = offset
        self.expected = expected
        self.received = received
    }

    /// Compares an answer with what was sent, as far as both reach.
    init?(between sent: [UInt8], and answer: [UInt8]) {
        let pairs = zip(sent, answer).enumerated()
        guard let (offset, (expected, received)) = pairs.first(where: { $1.0 != $1.1 }) else {
            return nil
        }
        self.init(offset: offset, expected: expected, received: received)
    }

    /// For example `differs at offset 1000: expected 0x61 'a', received 0x0A '\n'`.
    package var description: String {
        "differs at offset \(offset): expected \(Self.shown(expected)), "
            + "received \(Self.shown(received))"
    }

    private static func shown(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "0x\(byte < 16 ? "0" : "")\(digits) '\(escapedText([byte]))'"
    }
}

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
