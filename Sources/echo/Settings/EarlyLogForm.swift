import ArgumentParser
import Glibc

/// The form of log lines before the flags and settings are understood: a line that says what is wrong
/// with them must have it too.
enum EarlyLogForm {
    private static let key = "log-format"

    /// The form that is asked for where it would be found later: on the command line, in the
    /// environment, in the configuration file; text if that is nowhere, or makes no sense.
    static func find(
        arguments: [String] = Array(ProcessArguments.all.dropFirst()),
        environment: [String: String] = Settings.environment()
    ) -> LineFormat.Form {
        // The other subcommands log nothing.
        let others = Echo.configuration.subcommands.map { $0._commandName }
            .filter { $0 != Serve._commandName }
        if let first = arguments.first, others.contains(first) { return .text }
        let text =
            value(of: key, in: arguments) ?? environment["ECHO_LOG_FORMAT"].flatMap(given)
            ?? (value(of: "config", in: arguments) ?? environment["ECHO_CONFIG"]).flatMap(fromFile)
        return text.flatMap(LineFormat.Form.init) ?? .text
    }

    private static func given(_ text: String) -> String? { text.isEmpty ? nil : text }

    // `--key value` or `--key=value`; the last one counts.
    private static func value(of key: String, in arguments: [String]) -> String? {
        let flag = "--\(key)"
        for (index, argument) in arguments.enumerated().reversed() {
            if argument == flag, index + 1 < arguments.count { return arguments[index + 1] }
            if argument.hasPrefix(flag + "=") { return String(argument.dropFirst(flag.count + 1)) }
        }
        return nil
    }

    // As far as it can be understood; a pipe can be read once only, and not here.
    private static func fromFile(_ path: String) -> String? {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            let bytes = try? Settings.contents(path)
        else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        for line in lines {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0].trimmed == key else { continue }
            let value = parts[1].split(separator: "#").first ?? ""
            return String(value.trimmed.filter { $0 != "\"" })
        }
        return nil
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        let start = drop { $0.isWhitespace }
        return start[
            ..<(start.lastIndex { !$0.isWhitespace }.map(start.index(after:)) ?? start.startIndex)
        ]
    }
}
