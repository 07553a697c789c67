import EchoServer
import EchoSockets
import Glibc
import Logging

/// The format of a line on standard error.
struct LineFormat: Sendable {
    /// The forms to choose from.
    enum Form: String, CaseIterable, Sendable {
        /// `2026-01-31T12:00:00.000Z info: listening endpoint=127.0.0.1:5150`, and for the journal
        /// `<6>listening endpoint=127.0.0.1:5150`: the journal stores time and level separately.
        case text
        /// `{"time":"…","level":"info","message":"listening","endpoint":"127.0.0.1:5150"}`
        case json
    }

    /// Its form.
    let form: Form
    /// Whether the lines go to the journal.
    let isForJournal: Bool

    init(_ form: Form, isForJournal: Bool = Journal.isConnected) {
        self.form = form
        self.isForJournal = isForJournal
    }

    /// A line of the log, without its newline.
    func line(
        _ level: Logger.Level,
        _ message: String,
        _ metadata: Logger.Metadata = [:]
    ) -> String {
        let fields = metadata.sorted { $0.key < $1.key }
        let line =
            switch form {
            case .text: text(level, message, fields)
            case .json: json(level, message, fields)
            }
        return (isForJournal ? Journal.prefix(level) : "") + line
    }

    /// The line with which a failed command ends.
    func failure(_ message: String) -> String {
        switch form {
        case .text:
            (isForJournal ? Journal.prefix(.error) : "") + "\(ProgramName.current): \(message)"
        case .json: line(.error, message)
        }
    }

    private typealias Fields = [(key: String, value: Logger.MetadataValue)]

    private func text(_ level: Logger.Level, _ message: String, _ fields: Fields) -> String {
        var line = isForJournal ? "" : "\(Timestamp.now) \(level): "
        line += message.escapedForLog
        for (key, value) in fields {
            line += " \(key)=\(Self.quotedIfNeeded("\(value)"))"
        }
        return line
    }

    private static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { !Array(" \"=\\".utf8).contains($0) }
        return isPlain ? value.escapedForLog : JSON.string(value)
    }

    private func json(_ level: Logger.Level, _ message: String, _ fields: Fields) -> String {
        var line = "{\"time\":\"\(Timestamp.now)\",\"level\":\"\(level)\""
        line += ",\"message\":" + JSON.string(message)
        for (key, value) in fields { line += ",\(JSON.string(key)):" + Self.json(value) }
        return line + "}"
    }

    /// A value of RFC 8259: numbers are numbers.
    private static func json(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): return JSON.string(text)
        case .stringConvertible(let value):
            let isNumber = value is any BinaryInteger || value is DecimalNumber
            return isNumber ? "\(value)" : JSON.string("\(value)")
        case .array(let values): return "[" + values.map(json).joined(separator: ",") + "]"
        case .dictionary(let fields):
            let members = fields.sorted { $0.key < $1.key }.map {
                "\(JSON.string($0.key)):\(json($0.value))"
            }
            return "{" + members.joined(separator: ",") + "}"
        }
    }
}
