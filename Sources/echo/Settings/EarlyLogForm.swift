import ArgumentParser
import Glibc

/// The format of log lines before the flags and settings are parsed: an error line about them needs
/// it, too.
enum EarlyLogForm {
    private static let key = "log-format"

    /// The format requested on the command line, in the environment or in the configuration file;
    /// text if there is none, or it is invalid.
    static func find(
        arguments: [String] = Array(ProcessArguments.all.dropFirst()),
        environment: [String: String] = ProcessEnvironment.current
    ) -> LineFormat.Form {
        // Other subcommands do not log.
        let subcommand = arguments.first.flatMap(Subcommand.init)
        guard subcommand == nil || subcommand == .serve else { return .text }
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

    // As far as the file can be parsed; a pipe can be read only once, so not here.
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
