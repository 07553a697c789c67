import EchoSockets

/// A line of the input, and its number, from 1.
struct Line: Hashable, CustomStringConvertible {
    private static let shownBytes = 32

    let number: Int
    let bytes: [UInt8]

    /// For example `line 3 'hello'`.
    var description: String { "line \(number) \(Self.quoted(bytes))" }

    static func quoted(_ bytes: [UInt8]) -> String {
        let text = bytes.last == 0x0A ? bytes.dropLast() : bytes[...]
        return "'\(escapedText(text.prefix(shownBytes)))'\(text.count > shownBytes ? "…" : "")"
    }
}
