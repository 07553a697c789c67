import EchoTestSupport
import Testing

/// What is wrong in a configuration file, or has no effect.
@Suite(.timeLimit(.minutes(5)))
struct SettingsFileTests {
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

    @Test(arguments: [
        ("workers = 2\nmodel = select", ["workers"]),
        ("busy-poll = 1ms\nmodel = async-select", []),
        ("busy-poll = auto\nmodel = thread-per-client", ["busy-poll"]),
        ("busy-poll = 0\nmodel = thread-per-client", []),
        ("busy-poll = 1ms\nworkers = 2\nmodel = overlapped", ["workers"]),
        ("busy-poll = 0s\nworkers = auto\nmodel = overlapped", []),
        ("busy-poll = 1ms\nworkers = 2\nbackend = proactor", []),
        ("splice = never\nmodel = select", []),
        ("splice = never", ["splice"]),
        ("splice = auto", []),
        ("loop-guard = on\ndatagram-rate = 5", ["loop-guard", "datagram-rate"]),
        ("loop-guard = on\ndatagram-rate = 5\nlisten = udp:7", []),
        ("loop-guard = off\ndatagram-rate = 5\nlisten = udp:7", ["datagram-rate"]),
        (
            "keepalive = 5m\nreceive-buffer = 64KiB\nlisten = udp:7",
            ["keepalive", "receive-buffer"]
        ),
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
        (
            "keepalive = 1m\nreceive-buffer = 1MiB\nlisten = unix:/tmp/a",
            ["keepalive", "receive-buffer"]
        ),
        ("keepalive = never\nreceive-buffer = auto\nlisten = unix:/tmp/a", []),
        ("keepalive = 1m\nlisten = unix:/tmp/a\nlisten = 0", []),
        ("keepalive = 1m\nlisten = unix:/tmp/a\nmetrics = 0", ["keepalive"]),
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
}
