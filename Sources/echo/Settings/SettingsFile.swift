import Configuration

/// A configuration file: a `FileConfigSnapshot` of swift-configuration.
///
/// Lines `KEY = VALUE`; empty lines and comments, from `#` at the beginning of a line or after a
/// space to its end. A value may stand in double quotes, for spaces at its ends or ` #` in it. A key
/// stands there once, unless it may be repeated.
///
/// The snapshots that come with swift-configuration are for JSON, which has no comments and whose
/// reader needs all of Foundation, and YAML.
struct SettingsFile: FileConfigSnapshot {
    /// How to read it.
    struct Options: FileParsingOptions {
        /// The file's name, for errors.
        var path: String
        /// The keys there are, and whether they may be repeated.
        var keys: [String: Bool]

        static let `default` = Options(path: "", keys: [:])
    }

    /// What is wrong with the file.
    struct Flaw: Error {
        /// One line, with the file's name and the number of the line.
        let message: String
    }

    private struct Entry {
        let line: Int
        var values: [String]
    }

    let providerName: String
    private let path: String
    private var entries: [String: Entry] = [:]

    init(data: RawSpan, providerName: String, parsingOptions options: Options) throws {
        self.providerName = providerName
        path = options.path
        let bytes = unsafe data.withUnsafeBytes { unsafe [UInt8]($0) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Flaw(message: "\(options.path): not a text in UTF-8")
        }
        // Also "\r\n", which is one character.
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            do throws(LineFlaw) {
                guard let (key, value) = try Self.parse(line) else { continue }
                try add(key, value, line: index + 1, options)
            } catch {
                throw Flaw(message: "\(options.path):\(index + 1): \(error.message)")
            }
        }
    }

    private struct LineFlaw: Error {
        let message: String
    }

    private mutating func add(
        _ key: String,
        _ value: String,
        line: Int,
        _ options: Options
    ) throws(LineFlaw) {
        guard let isRepeatable = options.keys[key] else {
            throw LineFlaw(message: "unknown key \"\(key)\"")
        }
        guard let entry = entries[key] else {
            entries[key] = Entry(line: line, values: [value])
            return
        }
        guard isRepeatable else {
            throw LineFlaw(message: "\"\(key)\" stands in line \(entry.line) already")
        }
        entries[key]?.values.append(value)
    }

    private static func parse(
        _ line: Substring
    ) throws(LineFlaw) -> (key: String, value: String)? {
        let statement = trimmed(line)
        guard let first = statement.first, first != "#" else { return nil }
        guard let equals = statement.firstIndex(of: "=") else {
            throw LineFlaw(message: "expected KEY = VALUE")
        }
        let key = trimmed(statement[..<equals])
        let value = trimmed(statement[statement.index(after: equals)...])
        return (String(key), try unquoted(value))
    }

    private static func unquoted(_ value: Substring) throws(LineFlaw) -> String {
        guard value.first == "\"" else { return String(withoutComment(value)) }
        let rest = value.dropFirst()
        guard let end = rest.firstIndex(of: "\"") else {
            throw LineFlaw(message: "the closing quote is missing")
        }
        let after = trimmed(rest[rest.index(after: end)...])
        guard after.isEmpty || after.first == "#" else {
            throw LineFlaw(message: "unexpected text after the closing quote")
        }
        return String(rest[..<end])
    }

    private static func withoutComment(_ value: Substring) -> Substring {
        var previous: Character = " "
        for index in value.indices {
            if value[index] == "#", isBlank(previous) { return trimmed(value[..<index]) }
            previous = value[index]
        }
        return value
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop(while: isBlank)
        guard let last = start.lastIndex(where: { !isBlank($0) }) else { return start.prefix(0) }
        return start[...last]
    }

    private static func isBlank(_ character: Character) -> Bool {
        character == " " || character == "\t"
    }

    func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
        let name = key.components.joined(separator: ".")
        guard let entry = entries[name] else { return LookupResult(encodedKey: name, value: nil) }
        let content =
            type == .stringArray
            ? ConfigContent.stringArray(entry.values) : .string(entry.values.last ?? "")
        return LookupResult(
            // Where it stands: that is what messages name.
            encodedKey: "\(path):\(entry.line)",
            value: ConfigValue(content, isSecret: false)
        )
    }

    var description: String { "SettingsFile[\(path), \(entries.count) keys]" }
    var debugDescription: String { description }
}
