import EchoServer
import Glibc
import Logging

/// Writes each message as one line to standard error: text for people, JSON for collectors.
struct LineLogHandler: LogHandler {
    /// How a line looks.
    enum Format: String, CaseIterable, Sendable {
        /// `2026-01-31T12:00:00.000Z info: listening endpoint=127.0.0.1:5150`, and for the journal
        /// `<6>listening endpoint=127.0.0.1:5150`: it has time and level apart.
        case text
        /// `{"time":"…","level":"info","message":"listening","endpoint":"127.0.0.1:5150"}`
        case json
    }

    let format: Format
    /// Whether the lines go to the journal.
    let isForJournal: Bool
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(format: Format, isForJournal: Bool = Journal.isConnected) {
        self.format = format
        self.isForJournal = isForJournal
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
            .sorted { $0.key < $1.key }
        let line =
            switch format {
            case .text: text(event, fields)
            case .json: json(event, fields)
            }
        Output.writeError((isForJournal ? Journal.prefix(event.level) : "") + line + "\n")
    }

    private typealias Fields = [(key: String, value: Logger.MetadataValue)]

    private func text(_ event: LogEvent, _ fields: Fields) -> String {
        var line = isForJournal ? "" : "\(Timestamp.now) \(event.level): "
        line += event.message.description.escapedForLog
        for (key, value) in fields {
            line += " \(key)=\(Self.quotedIfNeeded("\(value)"))"
        }
        return line
    }

    private static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.utf8.allSatisfy { !Array(" \"=\\".utf8).contains($0) }
        return isPlain ? value.escapedForLog : json(value)
    }

    private func json(_ event: LogEvent, _ fields: Fields) -> String {
        var line = "{\"time\":\"\(Timestamp.now)\",\"level\":\"\(event.level)\""
        line += ",\"message\":" + Self.json(event.message.description)
        for (key, value) in fields { line += ",\(Self.json(key)):" + Self.json("\(value)") }
        return line + "}"
    }

    /// A JSON string, RFC 8259 section 7.
    static func json(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case _ where scalar.misleadsInLog:
                for unit in UTF16.encode(scalar) ?? UTF16.EncodedScalar() {
                    let digits = String(unit, radix: 16)
                    quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}

/// The time as RFC 3339 writes it, in UTC with milliseconds.
enum Timestamp {
    static var now: String {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
        var parts = unsafe tm()
        _ = unsafe gmtime_r(&time.tv_sec, &parts)
        let date = unsafe [parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday]
        let clock = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec]
        let milliseconds = padded(CInt(time.tv_nsec / 1_000_000), to: 3)
        return date.map { padded($0) }.joined(separator: "-") + "T"
            + clock.map { padded($0) }.joined(separator: ":") + ".\(milliseconds)Z"
    }

    private static func padded(_ value: CInt, to width: Int = 2) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
