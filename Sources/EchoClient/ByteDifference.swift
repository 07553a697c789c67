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
