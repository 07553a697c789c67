import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// How log lines look, to people, to the journal and to collectors.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct LogFormTests {
    /// Tells the program that its standard error is the journal, as the service manager does.
    private static let journal =
        "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" \"$@\""

    private func start(
        _ script: String,
        _ arguments: [String] = []
    ) async throws -> RunningServer {
        try await RunningServer(arguments, through: ["/bin/sh", "-c", script])
    }

    @Test func `for the journal each line has its priority, and no time`() async throws {
        let server = try await start(Self.journal, ["--model", "select", "--log-level", "debug"])
        try await server.expectEcho()
        server.process.send(signal: SIGTERM)
        let lines = try await server.process.result().errors.outputLines
        let listening = "listening endpoint=\(server.address) model=select"
        #expect(lines.first == "<6>\(listening) version=\(EchoServer.version)")
        #expect(lines.count { $0.hasPrefix("<7>connection closed bytes-received=50000 ") } == 3)
        #expect(lines.allSatisfy { $0.hasPrefix("<6>") || $0.hasPrefix("<7>") }, "\(lines)")
    }

    @Test func `for the journal, JSON has the priority before it`() async throws {
        let server = try await start(Self.journal, ["--log-format", "json"])
        server.process.send(signal: SIGTERM)
        let lines = try await server.process.result().errors.outputLines
        #expect(lines.count == 3)
        for line in lines {
            #expect(line.hasPrefix("<6>{"))
            #expect(JSONObject(String(line.dropFirst(3)))?["level"] == "info", "\(line)")
        }
    }

    @Test func `the last line of a program that fails has the priority of an error`() async throws {
        let wrapper = ["/bin/sh", "-c", Self.journal]
        let (exit, _, errors) = try await runEcho(["--model", "none"], through: wrapper)
        #expect(exit == .code(64))
        #expect(errors.hasPrefix("<3>echo: "), "\(errors)")
    }

    // Dispatch asks for a higher priority for the threads that run tasks, and complains to the
    // system's log where a service may not have it.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `no thread asks for another priority`(_ model: EchoServer.IOModel) async throws {
        let folder = try TemporaryFolder()
        let socket = try NotifySocket()
        let trace = [
            "/usr/bin/strace", "-f", "-qq", "-o", folder.path("calls"), "-e", "trace=setpriority",
        ]
        let variables = ["/usr/bin/env", "NOTIFY_SOCKET=\(socket.name)", "WATCHDOG_USEC=200000"]
        let server = try await RunningServer(
            model,
            ["--metrics", "127.0.0.1:0"],
            through: trace + variables
        )
        try await server.expectEcho()
        #expect(await socket.line("WATCHDOG=1") != nil)
        let children = "/proc/\(server.process.pid)/task/\(server.process.pid)/children"
        let text = String(decoding: readFile(children), as: UTF8.self)
        let child = try #require(text.split(separator: " ").first.flatMap { pid_t(String($0)) })
        #expect(kill(child, SIGTERM) == 0)
        #expect(try await server.process.exit() == .code(0))
        let calls = String(decoding: readFile(folder.path("calls")), as: UTF8.self).outputLines
            .filter { $0.contains("setpriority") }
        #expect(calls.allSatisfy { $0.contains("(PRIO_PROCESS, 0, 0) ") }, "\(calls)")
    }

    @Test func `a terminal that shows the log has no second line about where it listens`()
        async throws
    {
        let both = ["-c", "exec \"$0\" \"$@\" 2>&1", try BuiltProduct.path(named: "echo")]
        let flags = ["--model", "select", "--listen", "127.0.0.1:0"]
        let process = try RunningProcess("/bin/sh", both + flags, input: .terminal)
        _ = try await process.line { $0.contains("info: listening endpoint=127.0.0.1:") }
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
        #expect(!process.text(of: .standardOutput).contains("listening on"))
        let quiet = ["--log-level", "error"]
        let silent = try RunningProcess("/bin/sh", both + flags + quiet, input: .terminal)
        _ = try await silent.line { $0.hasPrefix("listening on 127.0.0.1:") }
        silent.send(signal: SIGTERM)
        #expect(try await silent.exit() == .code(0))
    }

    // It used to be text, whatever was asked for.
    @Test(arguments: ["flag", "variable", "file"])
    func `the last line of a program that fails is JSON, too`(_ source: String) async throws {
        let folder = try TemporaryFolder()
        _ = try folder.file("settings", holding: Array("log-format = json # here\n".utf8))
        let (flags, wrapper) =
            switch source {
            case "flag": (["--log-format=json"], ["/usr/bin/env"])
            case "variable": ([], ["/usr/bin/env", "ECHO_LOG_FORMAT=json"])
            default: (["--config", folder.path("settings")], ["/usr/bin/env"])
            }
        let taken = try Listener(.loopback(port: 0))
        for (arguments, code) in [
            (["--model", "none"], 64), (["--nonsense"], 64), (["--idle-timeout", "7"], 64),
            (["--listen", "\(taken.address)"], 69), (["--listen", "nowhere.invalid:7"], 69),
        ] {
            let (exit, _, errors) = try await runEcho(flags + arguments, through: wrapper)
            #expect(exit == .code(CInt(code)), "\(arguments)")
            #expect(errors.outputLines.count == 1, "\(errors)")
            let object = try #require(JSONObject(String(errors.dropLast())), "\(errors)")
            #expect(object["level"] == "error")
            #expect(object["message"]?.isEmpty == false)
        }
        // The other subcommands have no such option.
        let (_, _, errors) = try await runEcho(["client", "127.0.6.4:1"], through: wrapper)
        #expect(errors.hasPrefix("echo: "))
    }

    @Test(arguments: ["1:2", "nonsense", ""])
    func `where standard error is not the journal, lines have time and level`(
        _ stream: String
    ) async throws {
        let server = try await start("JOURNAL_STREAM=\(stream) exec \"$0\" \"$@\"")
        let line = try await server.process.line(from: .standardError)
        let form = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info: listening endpoint=.* model=.*/
        #expect(line.wholeMatch(of: form) != nil, "\(line)")
        try await server.expectExit()
    }

    @Test(arguments: ["text", "json"])
    func `what a peer has chosen is never written as it is`(_ format: String) async throws {
        let folder = try TemporaryFolder()
        let listen = ["--listen", "unix:\(folder.path("server"))"]
        let server = try await RunningServer(
            listen + ["--log-level", "debug", "--log-format", format, "--model", "select"]
        )
        // A line of its own, the colour red, and letters from right to left.
        let name = "a\n<0>b\u{1B}[31m\u{202E}c\u{2028}d cause=\"e\"\u{7F}\u{85}"
        let client = try await TestClient(to: server.address, from: .unix(folder.path(name)))
        #expect(try await client.exchange([1, 2]) == [1, 2])
        client.close()
        let line = try await server.process.line(from: .standardError) { $0.contains("closed") }
        #expect(line.contains("<0>b"))
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
        let misleading: Set<Unicode.Scalar> = ["\u{202E}", "\u{2028}", "\u{85}"]
        #expect(!line.unicodeScalars.contains { misleading.contains($0) }, "\(line)")
        #expect(server.process.lines(of: .standardError).count == 3)
        if format == "json" { #expect(JSONObject(line)?["cause"] == "peer-closed") }
        try await server.expectExit()
    }
}
