import ArgumentParser
import EchoServer
import EchoTestSupport
import Glibc
import Testing

@testable import echo

/// The configuration file, the environment, and which of them comes first.
@Suite(.timeLimit(.minutes(5)))
struct SettingsTests {
    @Test func `every flag of serve is a setting, or is about settings`() {
        let help = Serve.helpMessage(columns: 500)
        let flags = help.matches(of: /(?m)^  (?:-h, )?--([a-z-]+)/).map { String($0.1) }
        #expect(flags.count > 10)
        let others = ["config", "check-config", "help", "version"]
        #expect(
            Set(flags).subtracting(others) == Set(Setting.all.map(\.key))
        )
        // In words there, where it depends on something.
        let dependent = ["model", "backend", "workers"]
        for setting in Setting.all where !dependent.contains(setting.key) {
            guard let serve = try? Serve.parse([]) else { continue }
            let standard = setting.standard(serve)
            #expect(help.contains("(default: \(standard))"), "\(setting.key): \(standard)")
        }
    }

    @Test func `the command line comes before the environment, and that before the file`()
        async throws
    {
        let file = try TemporaryFile(
            """
            # Numbers for a test.
            workers = 2\r
            backlog=22
            \tmax-connections =  222   # not so many

            listen = 127.0.0.1:1
            listen = "unix:/tmp/a # b"
            pending-limit = 1MiB
            """
        )
        let environment = ["ECHO_WORKERS": "3", "ECHO_BACKLOG": "33", "ECHO_CONFIG": file.path]
        var serve = try Serve.parse(["--workers", "4"])
        let settings = try Settings(completing: &serve, environment: environment)
        #expect(serve.options.workers?.value == 4)
        #expect(serve.options.backlog == 33)
        #expect(serve.options.maxConnections?.value == 222)
        #expect(serve.options.pendingLimit == 1 << 20)
        #expect(serve.options.listen.map(\.description) == ["127.0.0.1:1", "unix:/tmp/a # b"])
        #expect(serve.options.idleTimeout == nil)
        #expect(settings.origins["workers"]?.name == "command line")
        #expect(settings.origins["backlog"]?.name == "ECHO_BACKLOG")
        #expect(settings.origins["max-connections"]?.name == "\(file.path):4")
        #expect(settings.origins["listen"]?.name == "\(file.path):6")
    }

    @Test func `every setting can be given in the file and in the environment`() async throws {
        let texts = [
            "listen": "127.0.0.1:1", "model": "select", "backend": "libevent", "workers": "2",
            "max-connections": "3", "when-full": "defer", "max-per-peer": "4",
            "idle-timeout": "5s", "shutdown-delay": "7ms", "drain-timeout": "6ms",
            "pending-limit": "7KiB", "backlog": "8",
            "keepalive": "30s", "receive-buffer": "1MiB", "socket-mode": "660",
            "socket-group": "adm",
            "busy-poll": "9us", "log-level": "debug", "log-format": "json", "metrics": "[::1]:9",
        ]
        #expect(Set(texts.keys) == Set(Setting.all.map(\.key)))
        let lines = texts.map { "\($0) = \($1)" }.joined(separator: "\n")
        let file = try TemporaryFile(lines)
        var fromFile = try Serve.parse(["--config", file.path])
        _ = try Settings(completing: &fromFile, environment: [:])
        var fromEnvironment = try Serve.parse([])
        let variables = Setting.all.map { ($0.variable, texts[$0.key] ?? "") }
        _ = try Settings(
            completing: &fromEnvironment,
            environment: Dictionary(uniqueKeysWithValues: variables)
        )
        for setting in Setting.all {
            let expected = [texts[setting.key] ?? ""]
            #expect(setting.values(fromFile) == expected)
            #expect(setting.values(fromEnvironment) == expected)
        }
    }

    @Test func `an endpoint list in the environment is separated by commas`() async throws {
        var serve = try Serve.parse([])
        let environment = ["ECHO_LISTEN": "127.0.0.1:1, unix:/tmp/x"]
        _ = try Settings(completing: &serve, environment: environment)
        #expect(serve.options.listen.map(\.description) == ["127.0.0.1:1", "unix:/tmp/x"])
    }

    @Test func `a nearer model or backend overrides both of a farther level`() async throws {
        let file = try TemporaryFile("model = select\n")
        var serve = try Serve.parse(["--backend", "proactor", "--config", file.path])
        _ = try Settings(completing: &serve, environment: [:])
        #expect(try serve.options.configuration().model == .completionPort)
        var other = try Serve.parse(["--config", file.path])
        _ = try Settings(completing: &other, environment: ["ECHO_BACKEND": "threads"])
        #expect(try other.options.configuration().model == .threadPerClient)
        var same = try Serve.parse(["--config", file.path])
        _ = try Settings(completing: &same, environment: [:])
        #expect(try same.options.configuration().model == .select)
    }

    @Test func `an empty variable is none, and unknown ones are found`() async throws {
        var serve = try Serve.parse([])
        let environment = [
            "ECHO_WORKERS": "", "ECHO_WROKERS": "1", "ECHO_PORT_7_TCP": "x", "ECHO": "1",
            "ECHO_SERVICE_HOST": "x",
        ]
        let settings = try Settings(completing: &serve, environment: environment)
        #expect(serve.options.workers == nil)
        #expect(settings.unknownVariables == ["ECHO_WROKERS"])
    }

    // What a pod finds about Services named `echo`, `echo-server` and `echo-metrics`.
    @Test(arguments: ["ECHO", "ECHO_SERVER", "ECHO_METRICS"])
    func `what Kubernetes tells about Services is no setting`(_ service: String) async throws {
        var environment = [
            "\(service)_SERVICE_HOST": "10.96.0.10", "\(service)_SERVICE_PORT": "5150",
            "\(service)_SERVICE_PORT_ECHO_TCP": "5150", "\(service)_PORT": "tcp://10.96.0.10:5150",
        ]
        for transport in ["TCP", "UDP", "SCTP"] {
            let name = "\(service)_PORT_5150_\(transport)"
            environment[name] = "\(transport.lowercased())://10.96.0.10:5150"
            environment[name + "_PROTO"] = transport.lowercased()
            environment[name + "_PORT"] = "5150"
            environment[name + "_ADDR"] = "10.96.0.10"
        }
        var serve = try Serve.parse([])
        let settings = try Settings(completing: &serve, environment: environment)
        #expect(settings.unknownVariables == [])
        #expect(settings.origins == [:])
        let server = try await RunningProcess(
            BuiltProduct.path(named: "echo"),
            ["serve", "--check-config"],
            environment: environment
        ).result()
        #expect(server.exit == .code(0))
        #expect(server.errors == "")
    }

    @Test func `what somebody meant as a setting is told apart from them`() throws {
        let environment = [
            "ECHO_PORT": "7000", "ECHO_SERVER_PORT": "7000", "ECHO_SERVICE_PORT": "seven",
            "ECHO_PORT_7_TCPX": "x", "ECHO_SERVICE": "x", "ECHO_7_TCP": "x",
        ]
        var serve = try Serve.parse([])
        let settings = try Settings(completing: &serve, environment: environment)
        #expect(settings.unknownVariables == environment.keys.sorted())
    }

    @Test(arguments: [
        ("wrokers = 1", ":1: unknown key \"wrokers\": did you mean \"workers\"?\n"),
        ("\nconfig = x", ":2: unknown key \"config\""),
        ("max_connections = 5", ":1: unknown key \"max_connections\": did you mean \"max-connec"),
        ("ECHO_WORKERS = 1", ":1: unknown key \"ECHO_WORKERS\": did you mean \"workers\"?\n"),
        ("--workers = 1", ":1: unknown key \"--workers\": did you mean \"workers\"?\n"),
        ("bindings = 1", ":1: unknown key \"bindings\"\n"),
        ("model = slect", ":1: The value 'slect' is invalid for '--model <model>': it must be "),
        ("workers", ":1: expected KEY = VALUE"),
        ("= 1", ":1: unknown key \"\""),
        ("workers = 1\n#\nworkers = 2", ":3: \"workers\" is already set in line 1"),
        ("workers = \"1", ":1: the closing quote is missing"),
        ("workers = \"1\" 2", ":1: unexpected text after the closing quote"),
        ("#\nworkers = 0", ":2: The value '0' is invalid for '--workers <n>': it must be"),
        ("listen = x:y", ":1: The value 'x:y' is invalid for '--listen <endpoint>'"),
        ("model =", ":1: The value '' is invalid for '--model <model>': it must be"),
    ])
    func `a mistake in a file is named with file, line and key, 64`(
        _ text: String,
        _ expected: String
    ) async throws {
        let file = try TemporaryFile(text)
        let result = try await runEcho(["--config", file.path])
        #expect(result.exit == .code(64))
        #expect(result.output == "")
        #expect(result.errors.hasPrefix("echo: \(file.path)\(expected)"), "\(result.errors)")
        #expect(result.errors.outputLines.count == 1)
    }

    @Test func `a file that is not text, is missing or is a folder is named`() async throws {
        let file = try TemporaryFile("")
        try file.write([0x61, 0xFF, 0x3D])
        for path in [file.path, "/no/such/file", "/tmp"] {
            let result = try await runEcho(["--config", path])
            #expect(result.exit == .code(64))
            #expect(result.errors.contains(path))
            #expect(result.errors.outputLines.count == 1, "\(result.errors)")
        }
    }

    @Test func `a bad value in the environment is named with the variable, 64`() async throws {
        let echo = try BuiltProduct.path(named: "echo")
        let process = try RunningProcess(echo, environment: ["ECHO_IDLE_TIMEOUT": "soon"])
        let result = try await process.result()
        #expect(result.exit == .code(64))
        #expect(result.errors.hasPrefix("echo: ECHO_IDLE_TIMEOUT: The value 'soon' is invalid"))
        #expect(result.errors.contains("--idle-timeout"))
    }

    @Test func `--check-config prints a file that means the same, and exits`() async throws {
        let flags = [
            "--listen", "unix:/tmp/a # b", "--idle-timeout", "90s", "--backend", "libevent",
        ]
        let first = try await runEcho(["serve", "--check-config"] + flags)
        #expect(first.exit == .code(0))
        #expect(first.errors == "")
        let lines = first.output.outputLines
        #expect(lines.count == Setting.all.count)
        #expect(lines.contains { $0.hasPrefix("# model = async-select ") })
        #expect(
            lines.contains { $0.hasPrefix("idle-timeout = 90s ") && $0.hasSuffix("# command line") }
        )
        let file = try TemporaryFile(first.output)
        let second = try await runEcho(["--config", file.path, "--check-config"])
        #expect(second.exit == .code(0))
        #expect(Self.statements(second.output) == Self.statements(first.output))
        #expect(second.output.contains("# \(file.path):1\n"))
    }

    @Test func `a model that is not of the backend is named with both origins, 64`() async throws {
        let file = try TemporaryFile("model = select\n\nbackend = proactor\n")
        let result = try await runEcho(["--config", file.path, "--check-config"])
        #expect(result.exit == .code(64))
        #expect(result.output == "")
        #expect(
            result.errors == """
                echo: \(file.path):3: backend proactor contradicts model select of \(file.path):1, \
                which belongs to backend libevent

                """
        )
        var serve = try Serve.parse([])
        let variables = ["ECHO_MODEL": "overlapped", "ECHO_BACKEND": "threads"]
        let error = #expect(throws: CommandError.self) {
            try Settings(completing: &serve, environment: variables)
        }
        let expected = "ECHO_BACKEND: backend threads contradicts model overlapped of ECHO_MODEL, "
        #expect(error?.message.hasPrefix(expected) == true)
    }

    @Test func `what --check-config prints as a default may be given, and is the default`()
        async throws
    {
        let standard = try Serve.parse([])
        for setting in Setting.all {
            let value = setting.standard(standard)
            let serve = try Serve.parse(["--\(setting.key)=\(value)"])
            #expect(setting.values(serve) == [value], "\(setting.key)")
            let given = try "\(serve.options.configuration())"
            #expect(try given == "\(standard.options.configuration())", "\(setting.key)")
            #expect(serve.monitoring.metrics?.value == nil)
        }
    }

    @Test func `a setting of a file can be undone by a variable or a flag`() async throws {
        let file = try TemporaryFile(
            """
            workers = 3
            max-connections = 10
            max-per-peer = 2
            idle-timeout = 1s
            metrics = 127.0.0.1:1
            """
        )
        let words = [
            "workers": "auto", "max-connections": "unlimited", "max-per-peer": "unlimited",
            "idle-timeout": "never", "metrics": "none",
        ]
        var flags = try Serve.parse(
            ["--config", file.path] + words.map { "--\($0)=\($1)" }
        )
        _ = try Settings(completing: &flags, environment: [:])
        var variables = try Serve.parse(["--config", file.path])
        let named = words.map { key, word in
            ("ECHO_" + key.uppercased().replacing("-", with: "_"), word)
        }
        _ = try Settings(
            completing: &variables,
            environment: Dictionary(uniqueKeysWithValues: named)
        )
        let standard = "\(EchoServer.Configuration())"
        for serve in [flags, variables] {
            #expect(try "\(serve.options.configuration())" == standard)
            #expect(serve.monitoring.metrics?.value == nil)
        }
    }

    @Test(arguments: [
        ("workers = 2\nmodel = select", ["workers"]),
        ("busy-poll = 1ms\nmodel = async-select", ["busy-poll"]),
        ("busy-poll = 1ms\nworkers = 2\nmodel = overlapped", ["workers", "busy-poll"]),
        ("busy-poll = 0s\nworkers = auto\nmodel = overlapped", []),
        ("busy-poll = 1ms\nworkers = 2\nbackend = proactor", []),
        ("when-full = defer", ["when-full"]),
        ("when-full = defer\nmax-connections = 5", []),
        ("when-full = reject", []),
        ("max-connections = 5000\nmodel = select", ["max-connections"]),
        ("max-connections = 500\nmodel = select", []),
        ("pending-limit = 1MiB\nmodel = thread-per-client", ["pending-limit"]),
        ("pending-limit = 1MiB\nmodel = event-select", []),
        ("socket-mode = 660\nsocket-group = root", ["socket-mode", "socket-group"]),
        ("socket-mode = 660\nlisten = unix:@name", ["socket-mode"]),
        ("socket-mode = 660\nlisten = unix:/tmp/a", []),
        ("socket-group = root\nmetrics = unix:/tmp/a", []),
        ("socket-mode = umask\nsocket-group = none", []),
    ])
    func `a setting without effect is named with its origin and the reason`(
        _ text: String,
        _ useless: [String]
    ) async throws {
        let file = try TemporaryFile(text)
        let result = try await runEcho(["--config", file.path, "--check-config"])
        #expect(result.exit == .code(0))
        let lines = result.errors.outputLines
        #expect(lines.count == useless.count, "\(result.errors)")
        for (line, key) in zip(lines, useless) {
            #expect(line.contains(" warning: setting without effect "), "\(line)")
            #expect(line.hasSuffix(" setting=\(key)"), "\(line)")
            let keys = text.split(separator: "\n").map { $0.prefix { $0 != " " } }
            let number = try #require(keys.firstIndex(of: key[...])) + 1
            #expect(line.contains(" origin=\(file.path):\(number) reason=\""), "\(line)")
        }
    }

    @Test func `it serves as a file says`() async throws {
        let file = try TemporaryFile("listen = 127.0.0.1:0\nmodel = event-select\n")
        let process = try RunningProcess(
            BuiltProduct.path(named: "echo"),
            environment: ["ECHO_CONFIG": file.path, "ECHO_NONSENSE": "1"]
        )
        _ = try await process.line { $0.hasPrefix("listening on 127.0.0.1:") }
        _ = try await process.line(from: .standardError) { $0.contains(" model=event-select ") }
        let warning = try await process.line(from: .standardError) { $0.contains("warning") }
        #expect(warning.hasSuffix("unknown variable ignored variable=ECHO_NONSENSE"))
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
    }

    @Test(
        arguments: [
            (.zero, "0s"), (.seconds(1), "1s"), (.seconds(90), "90s"), (.seconds(120), "2m"),
            (.seconds(7200), "2h"), (.milliseconds(1500), "1500ms"), (.microseconds(7), "7us"),
        ] as [(Duration, String)]
    )
    func `durations are written as they are read`(_ duration: Duration, _ text: String) throws {
        #expect(Quantity.text(duration) == text)
        #expect(try Parse.duration(text) == duration)
    }

    @Test(arguments: [(64, "64"), (1024, "1KiB"), (3 << 20, "3MiB"), (1 << 30, "1GiB")])
    func `sizes are written as they are read`(_ bytes: Int, _ text: String) throws {
        #expect(Quantity.text(bytes) == text)
        #expect(try Parse.size(1...(1 << 30))(text) == bytes)
    }

    // The lines without their origins.
    private static func statements(_ text: String) -> [Substring] {
        text.outputLines.map { $0.prefix(upTo: $0.lastIndex(of: "#") ?? $0.endIndex) }
            .map { $0.prefix { $0 != "\t" } }.map { line in
                line.prefix(upTo: line.lastIndex { $0 != " " } ?? line.endIndex)
            }
    }
}

/// A file of a test's own, removed when nobody refers to it any more.
private final class TemporaryFile: Sendable {
    let path = "/tmp/echo-settings-\(UInt64.random(in: 0 ... .max)).conf"

    init(_ text: String) throws {
        try write([UInt8](text.utf8))
    }

    func write(_ bytes: [UInt8]) throws {
        guard let file = unsafe fopen(path, "w") else { throw POSIXFailure() }
        defer { unsafe fclose(file) }
        _ = unsafe fwrite(bytes, 1, bytes.count, file)
    }

    deinit {
        unsafe unlink(path)
    }

    struct POSIXFailure: Error {}
}
