import Configuration

/// A configuration file: a provider for swift-configuration, read once.
///
/// Lines `KEY = VALUE`; empty lines and comments, from `#` at the beginning of a line or after a
/// space to its end. A value may stand in double quotes, for spaces at its ends or ` #` in it. A
/// key appears only once, unless it may be repeated.
///
/// The providers of swift-configuration are for JSON, which has no comments and whose reader needs
/// all of Foundation, and for YAML.
struct SettingsFile: ConfigSnapshot, ConfigProvider {
    /// What is wrong with the file.
    struct Flaw: Error {
        /// One line, with the file's name and the line number.
        let message: String
    }

    private struct Entry {
        var values: [(line: Int, text: String)]

        var line: Int { values[0].line }
    }

    /// The provider's name.
    static let name = "SettingsFile"

    let providerName = Self.name
    private let path: String
    private let keys: [String: Bool]
    private var entries: [String: Entry] = [:]

    /// Reads the contents of a file.
    ///
    /// - Parameters:
    ///   - bytes: the contents.
    ///   - path: the file's name, for errors.
    ///   - keys: the allowed keys, and whether they may be repeated.
    /// - Throws: ``Flaw``.
    init(_ bytes: [UInt8], path: String, keys: [String: Bool]) throws(Flaw) {
        self.path = path
        self.keys = keys
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Flaw(message: "\(path): not a text in UTF-8")
        }
        // Also "\r\n", which is one character.
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            do throws(LineFlaw) {
                guard let (key, value) = try Self.parse(line) else { continue }
                try add(key, value, line: index + 1)
            } catch {
                throw Flaw(message: "\(path):\(index + 1): \(error.message)")
            }
        }
    }

    private struct LineFlaw: Error {
        let message: String
    }

    private mutating func add(
        _ key: String,
        _ value: String,
        line: Int
    ) throws(LineFlaw) {
        guard let isRepeatable = keys[key] else {
            throw LineFlaw(message: "unknown key \"\(key)\"" + suggestion(for: key))
        }
        guard let entry = entries[key] else {
            entries[key] = Entry(values: [(line, value)])
            return
        }
        guard isRepeatable else {
            throw LineFlaw(message: "\"\(key)\" is already set in line \(entry.line)")
        }
        entries[key]?.values.append((line, value))
    }

    // `max_connections`, `--workers`, `ECHO_WORKERS`, `wrokers`, `no-loop-guard`.
    private func suggestion(for key: String) -> String {
        var plain = key.lowercased().replacing("_", with: "-").drop { $0 == "-" }
        if plain.hasPrefix("echo-") { plain = plain.dropFirst("echo-".count) }
        if plain.hasPrefix("no-"), keys[String(plain.dropFirst(3))] != nil {
            return ": write \"\(plain.dropFirst(3)) = off\""
        }
        let names = keys.keys.sorted()
        let meant =
            names.first { $0 == plain } ?? Spelling.nearest(to: String(plain), in: names)
        return meant.map { ": did you mean \"\($0)\"?" } ?? ""
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

    /// Where each value of a key stands: file and line.
    func places(of key: String) -> [String] {
        entries[key]?.values.map { "\(path):\($0.line)" } ?? []
    }

    func value(forKey key: AbsoluteConfigKey, type: ConfigType) throws -> LookupResult {
        let name = key.components.joined(separator: ".")
        guard let entry = entries[name] else { return LookupResult(encodedKey: name, value: nil) }
        let content =
            type == .stringArray
            ? ConfigContent.stringArray(entry.values.map(\.text))
            : .string(entry.values.last?.text ?? "")
        return LookupResult(
            // Its position, which messages name.
            encodedKey: "\(path):\(entry.line)",
            value: ConfigValue(content, isSecret: false)
        )
    }

    func fetchValue(forKey key: AbsoluteConfigKey, type: ConfigType) async throws -> LookupResult {
        try value(forKey: key, type: type)
    }

    func snapshot() -> any ConfigSnapshot { self }

    // It never changes.
    func watchValue<Return: ~Copyable>(
        forKey key: AbsoluteConfigKey,
        type: ConfigType,
        updatesHandler: (
            _ updates: ConfigUpdatesAsyncSequence<Result<LookupResult, any Error>, Never>
        ) async throws -> Return
    ) async throws -> Return {
        try await watchValueFromValue(forKey: key, type: type, updatesHandler: updatesHandler)
    }

    func watchSnapshot<Return: ~Copyable>(
        updatesHandler: (
            _ updates: ConfigUpdatesAsyncSequence<any ConfigSnapshot, Never>
        ) async throws -> Return
    ) async throws -> Return {
        try await watchSnapshotFromSnapshot(updatesHandler: updatesHandler)
    }
}
