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
        let others = ["config", "check-config", "help", "version", "no-loop-guard"]
        #expect(
            Set(flags).subtracting(others) == Set(Setting.all.map(\.key))
        )
        // In words there, where it depends on something.
        let dependent = ["model", "backend", "workers"]
        for setting in Setting.all where !dependent.contains(setting.key) {
            guard let serve = try? ServeFlags.parse([]) else { continue }
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
        var serve = try ServeFlags.parse(["--workers", "4"])
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

    @Test func `each value of a repeated setting has its own line`() async throws {
        let good = try TemporaryFile("listen = 5150\nworkers = 2\n\nlisten = unix:/tmp/a\n")
        var serve = try ServeFlags.parse(["--config", good.path])
        let settings = try Settings(completing: &serve, environment: [:])
        let text = settings.text(serve)
        for (value, line) in [("localhost:5150", 1), ("unix:/tmp/a", 4)] {
            let expected = text.split(separator: "\n").first { $0.hasPrefix("listen = \(value)") }
            #expect(expected?.hasSuffix(" # \(good.path):\(line)") == true, "\(text)")
        }
        let bad = try TemporaryFile("listen = 5150\nworkers = 2\n\nlisten = foo\n")
        var other = try ServeFlags.parse(["--config", bad.path])
        let error = #expect(throws: CommandError.self) {
            _ = try Settings(completing: &other, environment: [:])
        }
        #expect(error?.message.hasPrefix("\(bad.path):4: The value 'foo' is ") == true)
    }

    @Test func `the name of a flag that turns something off is told what to write`() async throws {
        let file = try TemporaryFile("no-loop-guard = true\n")
        var serve = try ServeFlags.parse(["--config", file.path])
        let error = #expect(throws: CommandError.self) {
            _ = try Settings(completing: &serve, environment: [:])
        }
        let expected = "\(file.path):1: unknown key \"no-loop-guard\": write \"loop-guard = off\""
        #expect(error?.message == expected)
    }

    @Test func `every setting can be given in the file and in the environment`() async throws {
        let texts = [
            "listen": "127.0.0.1:1", "model": "select", "backend": "libevent", "workers": "2",
            "max-connections": "3", "when-full": "defer", "max-per-peer": "4",
            "idle-timeout": "5s", "shutdown-delay": "7ms", "drain-timeout": "6ms",
            "pending-limit": "7KiB", "backlog": "8",
            "keepalive": "30s", "receive-buffer": "1MiB", "socket-mode": "660",
            "socket-group": "adm",
            "loop-guard": "off", "datagram-rate": "9",
            "busy-poll": "9us", "splice": "never", "log-level": "debug", "log-format": "json",
            "metrics": "[::1]:9",
        ]
        #expect(Set(texts.keys) == Set(Setting.all.map(\.key)))
        let lines = texts.map { "\($0) = \($1)" }.joined(separator: "\n")
        let file = try TemporaryFile(lines)
        var fromFile = try ServeFlags.parse(["--config", file.path])
        _ = try Settings(completing: &fromFile, environment: [:])
        var fromEnvironment = try ServeFlags.parse([])
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
        var serve = try ServeFlags.parse([])
        let environment = ["ECHO_LISTEN": "127.0.0.1:1, unix:/tmp/x"]
        _ = try Settings(completing: &serve, environment: environment)
        #expect(serve.options.listen.map(\.description) == ["127.0.0.1:1", "unix:/tmp/x"])
    }

    @Test func `a nearer model or backend overrides both of a farther level`() async throws {
        let file = try TemporaryFile("model = select\n")
        var serve = try ServeFlags.parse(["--backend", "proactor", "--config", file.path])
        _ = try Settings(completing: &serve, environment: [:])
        #expect(try serve.options.configuration().model == .completionPort)
        var other = try ServeFlags.parse(["--config", file.path])
        _ = try Settings(completing: &other, environment: ["ECHO_BACKEND": "threads"])
        #expect(try other.options.configuration().model == .threadPerClient)
        var same = try ServeFlags.parse(["--config", file.path])
        _ = try Settings(completing: &same, environment: [:])
        #expect(try same.options.configuration().model == .select)
    }

    @Test func `an empty variable is none, and unknown ones are found`() async throws {
        var serve = try ServeFlags.parse([])
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
        var serve = try ServeFlags.parse([])
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
        var serve = try ServeFlags.parse([])
        let settings = try Settings(completing: &serve, environment: environment)
        #expect(settings.unknownVariables == environment.keys.sorted())
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
        var serve = try ServeFlags.parse([])
        let variables = ["ECHO_MODEL": "overlapped", "ECHO_BACKEND": "threads"]
        let error = #expect(throws: CommandError.self) {
            try Settings(completing: &serve, environment: variables)
        }
        let expected = "ECHO_BACKEND: backend threads contradicts model overlapped of ECHO_MODEL, "
        #expect(error?.message.hasPrefix(expected) == true)
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
        var flags = try ServeFlags.parse(
            ["--config", file.path] + words.map { "--\($0)=\($1)" }
        )
        _ = try Settings(completing: &flags, environment: [:])
        var variables = try ServeFlags.parse(["--config", file.path])
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
}
