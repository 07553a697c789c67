import EchoSockets
import Glibc

/// How to lay out standard output.
struct Screen: Sendable {
    /// Columns of a line: `COLUMNS` if it is set, else those of the terminal, else 80.
    ///
    /// So output to a file or a pipe looks the same everywhere.
    let columns: Int
    /// Whether it is a terminal.
    let isTerminal: Bool
    /// Whether it shows colours: a terminal that is not `dumb`, unless `NO_COLOR` is set.
    let hasColours: Bool

    /// The standard output of this process, as it is now.
    static var current: Screen {
        Screen(
            environment: ProcessEnvironment.current,
            isTerminal: isatty(STDOUT_FILENO) == 1,
            terminalColumns: terminalColumns(of: STDOUT_FILENO)
        )
    }

    init(environment: [String: String], isTerminal: Bool, terminalColumns: Int?) {
        let asked = environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
        // Any narrower, there would be no room beside the names of flags.
        columns = max(asked ?? terminalColumns ?? 80, 40)
        self.isTerminal = isTerminal
        let terminal = environment["TERM"] ?? ""
        hasColours =
            isTerminal && !["", "dumb"].contains(terminal)
            && (environment["NO_COLOR"] ?? "").isEmpty
    }

    /// A colour, as its SGR number in ISO 6429 (ECMA-48).
    enum Colour: Int {
        case red = 31
        case green = 32
    }

    /// A text in a colour, if there are colours.
    func text(_ text: String, _ colour: Colour) -> String {
        hasColours ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }
}

/// Lines of columns as wide as needed, followed by a text.
enum Layout {
    /// The least width for a text beside columns; a narrower one goes below them.
    private static let leastTextWidth = 24

    /// A text behind columns, broken between words where a line is full.
    ///
    /// - Parameters:
    ///   - cells: the columns before it, already padded.
    ///   - width: the width of the cells, including the two spaces after each.
    ///   - text: the text after them.
    ///   - columns: the longest line; `nil` for a single line.
    /// - Returns: one line or more, each with its newline.
    static func lines(_ cells: String, width: Int, _ text: String, columns: Int?) -> String {
        guard let columns, width + text.count > columns else { return cells + text + "\n" }
        let indent = columns - width < leastTextWidth ? 4 : width
        let parts = wrapped(text, to: columns - indent)
        let margin = String(repeating: " ", count: indent)
        let head = indent == width ? cells + (parts.first ?? "") : cells.withoutBlanksAtEnd
        let rest = indent == width ? parts.dropFirst() : parts[...]
        return head + "\n" + rest.map { margin + $0 + "\n" }.joined()
    }

    /// A text as lines of limited width, broken only between words.
    static func wrapped(_ text: String, to width: Int) -> [String] {
        text.split(separator: " ").reduce(into: []) { lines, word in
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
    }

    /// A text padded with spaces to a width.
    static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Text that the argument parser must not wrap: spaces become no-break spaces, which ``Exit``
    /// turns back.
    static func unbroken(_ text: String) -> String {
        text.replacing(" ", with: "\u{A0}")
    }

    /// The text that was passed to ``unbroken(_:)``.
    static func plain(_ text: String) -> String {
        text.replacing("\u{A0}", with: " ")
    }
}

extension String {
    fileprivate var withoutBlanksAtEnd: String {
        String(self[..<(lastIndex { $0 != " " }.map(index(after:)) ?? startIndex)])
    }
}
