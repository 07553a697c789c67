import ArgumentParser
import Configuration
import EchoServer
import EchoSockets
import Glibc
import Logging

/// Completes the flags of `serve` from the environment and a file.
///
/// The command line comes first, then the environment, then the file, then the defaults. Values are
/// read through swift-configuration, and parsed like the flags of the same name.
struct Settings: Sendable {
    /// Where the value of a setting comes from.
    struct Origin: Sendable, Equatable {
        /// Its priority: the first level given overrides the others.
        enum Level: Int, Sendable, Comparable {
            case commandLine, environment, file

            static func < (lhs: Level, rhs: Level) -> Bool { lhs.rawValue < rhs.rawValue }
        }

        let level: Level
        /// `command line`, the variable, or file and line.
        let name: String
    }

    /// The origins of the settings that were given, by key.
    private(set) var origins: [String: Origin] = [:]
    /// Variables that look like settings but are not.
    private(set) var unknownVariables: [String] = []
    private var file: SettingsFile?

    /// Completes the flags.
    ///
    /// - Throws: `CommandError` that names file and line or variable, key and reason.
    init(
        completing flags: inout ServeFlags,
        environment: [String: String] = ProcessEnvironment.current
    ) throws {
        for setting in Setting.all where !setting.values(flags).isEmpty {
            origins[setting.key] = Origin(level: .commandLine, name: "command line")
        }
        let variables = environment.filter { !$0.value.isEmpty }
        var providers: [any ConfigProvider] = [
            EnvironmentVariablesProvider(environmentVariables: variables).prefixKeys(with: "echo")
        ]
        if let path = flags.settings.config ?? variables["ECHO_CONFIG"] {
            let file = try Self.file(path)
            self.file = file
            providers.append(file)
        }
        try take(from: providers, into: &flags)
        try checkModel(flags)
        try checkGroup(flags)
        let known = Set(Setting.all.map(\.variable)).union(["ECHO_CONFIG"])
        unknownVariables = variables.keys.sorted().filter { name in
            name.hasPrefix("ECHO_") && !known.contains(name)
                && !ServiceVariables.include(name, variables[name] ?? "")
        }
    }

    private mutating func take(
        from providers: [any ConfigProvider],
        into flags: inout ServeFlags
    ) throws {
        let witness = Witness()
        let reader = ConfigReader(providers: providers, accessReporter: witness)
        var found: [(setting: Setting, values: [String])] = []
        for setting in Setting.all where origins[setting.key] == nil {
            let key = ConfigKey([setting.key])
            let values =
                setting.isRepeatable
                ? reader.stringArray(forKey: key) : reader.string(forKey: key).map { [$0] }
            guard let values, let origin = witness.origin else { continue }
            origins[setting.key] = origin
            found.append((setting, values))
        }
        settleModel()
        let given = found.filter { origins[$0.setting.key] != nil }
        // Parsing takes long: only where a value is wrong, each by itself, to name its origin.
        if let parsed = try? Self.parse(given) {
            for (setting, _) in given { setting.take(&flags, parsed) }
            return
        }
        for (setting, values) in given {
            for (value, place) in zip(values, places(of: setting, count: values.count)) {
                do {
                    _ = try Self.parse([(setting, [value])])
                } catch {
                    throw CommandError(
                        exitCode: Exit.usage,
                        // Escaped here: it may hold a value with the end of a line in it.
                        message: "\(place): \(ServeFlags.message(for: error).escapedForLog)"
                    )
                }
            }
            setting.take(&flags, try Self.parse([(setting, values)]))
        }
    }

    // Where each of the values of a setting comes from.
    private func places(of setting: Setting, count: Int) -> [String] {
        guard let origin = origins[setting.key] else { return [] }
        let places = origin.level == .file ? file?.places(of: setting.key) ?? [] : []
        return places.count == count
            ? places : [String](repeating: origin.name, count: count)
    }

    private static func parse(
        _ given: [(setting: Setting, values: [String])]
    ) throws -> ServeFlags {
        let texts = given.flatMap { setting, values in values.map { "--\(setting.key)=\($0)" } }
        return try ServeFlags.parse(Arguments.withPlainValues(texts))
    }

    // The two belong together: setting either overrides both at lower-priority sources.
    private mutating func settleModel() {
        guard let model = origins["model"], let backend = origins["backend"] else { return }
        if model.level < backend.level { origins["backend"] = nil }
        if backend.level < model.level { origins["model"] = nil }
    }

    // Both come from one level: otherwise the higher-priority one has overridden the other.
    private func checkModel(_ flags: ServeFlags) throws {
        guard let model = flags.options.model, let backend = flags.options.backend,
            let modelOrigin = origins["model"], let backendOrigin = origins["backend"],
            model.backend != backend, modelOrigin.level != .commandLine
        else { return }
        throw CommandError(
            exitCode: Exit.usage,
            message: "\(backendOrigin.name): backend \(backend.rawValue) contradicts model "
                + "\(model.rawValue) of \(modelOrigin.name), "
                + "which belongs to backend \(model.backend.rawValue)"
        )
    }

    private func checkGroup(_ flags: ServeFlags) throws {
        guard let group = flags.options.sockets.socketGroup?.value,
            SystemGroup.number(of: group) == nil, let origin = origins["socket-group"]
        else { return }
        let place = origin.level == .commandLine ? "" : "\(origin.name): "
        throw CommandError(
            exitCode: Exit.usage,
            // Escaped here: it may hold the end of a line.
            message: "\(place)The value '\(group.escapedForLog)' is invalid for "
                + "'--socket-group <group>': there is no such group; or write none"
        )
    }

    private static func file(_ path: String) throws -> SettingsFile {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try contents(path)
        } catch {
            throw CommandError(
                exitCode: error.errno.rawValue == EACCES ? Exit.permission : Exit.usage,
                message: "cannot read \(path): \(error.errno)"
            )
        }
        let keys = Dictionary(uniqueKeysWithValues: Setting.all.map { ($0.key, $0.isRepeatable) })
        do throws(SettingsFile.Flaw) {
            return try SettingsFile(bytes, path: path, keys: keys)
        } catch {
            throw CommandError(exitCode: Exit.usage, message: error.message)
        }
    }

    // Limited in size: a settings file is small, and /dev/zero is not one.
    static func contents(_ path: String) throws(SystemError) -> [UInt8] {
        let file = Descriptor(
            adopting: try systemCall("open") { unsafe open(path, O_RDONLY | O_CLOEXEC) }
        )
        let number = file.rawValue
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while bytes.count < 1 << 20 {
            let count = try systemCall("read") { unsafe read(number, &buffer, buffer.count) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
        throw SystemError(call: "read", errno: Errno(rawValue: EFBIG))
    }
}

extension Settings {
    /// Warns about variables that look like settings but are not.
    func warn(_ logger: Logger) {
        for variable in unknownVariables {
            var metadata: Logger.Metadata = ["variable": "\(variable)"]
            let names = Setting.all.map(\.variable) + ["ECHO_CONFIG"]
            let plain = variable.replacing("ECHO_NO_", with: "ECHO_", maxReplacements: 1)
            if let meant = Spelling.nearest(to: plain, in: names) {
                metadata["meant"] = "\(meant)"
            }
            logger.warning("unknown variable ignored", metadata: metadata)
        }
    }

    /// All settings as a configuration file, with their origins as comments.
    func text(_ flags: ServeFlags) -> String {
        let lines = Setting.all.flatMap { setting -> [(String, String)] in
            let values = setting.values(flags)
            guard origins[setting.key] != nil, !values.isEmpty else {
                // The effective number on this machine is printed as well.
                let origin =
                    setting.key == "workers" ? "default, here \(Processors.available)" : "default"
                return [("# \(setting.key) = \(setting.standard(flags))", origin)]
            }
            return zip(values, places(of: setting, count: values.count)).map { value, place in
                let needsQuotes = value.contains(" ") || value.contains("#")
                return ("\(setting.key) = " + (needsQuotes ? "\"\(value)\"" : value), place)
            }
        }
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { line, origin in
            line + String(repeating: " ", count: width - line.count + 2) + "# \(origin)\n"
        }.joined()
    }
}

/// Records where the last value read came from.
private final class Witness: AccessReporter {
    private let last = Locked<Settings.Origin?>(nil)

    var origin: Settings.Origin? { last.withLock { $0 } }

    func report(_ event: AccessEvent) {
        let found = event.providerResults.first { result in
            guard case .success(let lookup) = result.result else { return false }
            return lookup.value != nil
        }
        guard let found, case .success(let lookup) = found.result else {
            last.withLock { $0 = nil }
            return
        }
        let isFile = found.providerName == SettingsFile.name
        last.withLock {
            $0 = Settings.Origin(level: isFile ? .file : .environment, name: lookup.encodedKey)
        }
    }
}
