import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `echo client`, with the real server.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ClientCommandTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `16 MiB through a pipe come out as they went in`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model)
        let process = try RunningProcess(
            try BuiltProduct.path(named: "echo"),
            ["client", "\(server.address)"],
            input: .pipe
        )
        let bytes = PatternBytes(seed: 16).bytes(count: 16 << 20)
        try await process.write(bytes)
        process.closeInput()
        let result = try await process.result(within: .seconds(120))
        #expect(result.exit == .code(0), "\(result.errors)")
        #expect(result.output == bytes)
        #expect(result.errors == "")
    }

    @Test func `a file, and nothing at all`() async throws {
        let server = try await RunningServer(.select)
        let folder = try TemporaryFolder()
        let bytes = PatternBytes(seed: 1).bytes(count: 100_000)
        _ = try folder.file("input", holding: bytes)
        let process = try RunningProcess(
            try BuiltProduct.path(named: "echo"),
            ["client", "\(server.address)"],
            input: .file(folder.path("input"))
        )
        let result = try await process.result()
        #expect(result.exit == .code(0))
        #expect(result.output == bytes)
        let empty = try await runEcho(["client", "\(server.address)"])
        #expect(empty.exit == .code(0))
        #expect(empty.output == "")
    }

    @Test func `at a terminal each line comes back, and ^D ends it`() async throws {
        let server = try await RunningServer(.select)
        let process = try RunningProcess(
            try BuiltProduct.path(named: "echo"),
            ["client", "\(server.address)"],
            input: .terminal
        )
        _ = await eventually { process.bytes(of: .standardOutput).count > 0 }
        try await process.write("hello there\n")
        // Once as the terminal's own echo of the typing, once as the server's.
        let answered = await eventually {
            process.text(of: .standardOutput).components(of: "hello there") >= 2
        }
        #expect(answered, "\(process.text(of: .standardOutput))")
        try await process.write("\u{4}")
        #expect(try await process.exit() == .code(0))
    }

    @Test func `at a terminal what came back is shown, and then what is wrong, 75`() async throws {
        let servers = [
            try ThreadedEchoServer(.fallsSilentAfter(bytes: 3)), try ThreadedEchoServer(.swallows),
        ]
        let clients = try servers.map { server in
            try RunningProcess(
                try BuiltProduct.path(named: "echo"),
                ["client", "--timeout", "5s", "\(server.address)"],
                input: .terminal
            )
        }
        for client in clients {
            _ = await eventually { client.bytes(of: .standardOutput).count > 0 }
            try await client.write("hello\n")
        }
        let result = try await clients[0].result()
        #expect(result.exit == .code(75))
        let shown = String(decoding: result.output, as: UTF8.self)
        #expect(shown == "Send: hello\r\nReceived [3 bytes, 2 less than sent]: 'hel'\r\n")
        let nothing = String(decoding: try await clients[1].result().output, as: UTF8.self)
        #expect(nothing == "Send: hello\r\n")
        withExtendedLifetime(servers) {}
    }

    @Test func `nobody there, 69`() async throws {
        let address = try Listener(.loopback(port: 0)).address
        let result = try await runEcho(["client", "\(address)"])
        #expect(result.exit == .code(69))
        #expect(result.output == "")
        #expect(result.errors.outputLines.count == 1)
        #expect(result.errors.contains("\(address)"), "\(result.errors)")
        #expect(result.errors.contains("refused"), "\(result.errors)")
    }

    @Test func `a server that ends before all has come back, 76`() async throws {
        let server = try ThreadedEchoServer(.closesAfter(bytes: 1000))
        let process = try RunningProcess(
            try BuiltProduct.path(named: "echo"),
            ["client", "\(server.address)"],
            input: .pipe
        )
        try await process.write(PatternBytes(seed: 1).bytes(count: 5000))
        process.closeInput()
        let result = try await process.result()
        #expect(result.exit == .code(76))
        #expect(result.errors.outputLines.count == 1, "\(result.errors)")
        #expect(result.output.count == 1000)
    }

    @Test func `a server that does not answer in time, 75`() async throws {
        let server = try ThreadedEchoServer(.fallsSilentAfter(bytes: 3))
        let process = try RunningProcess(
            try BuiltProduct.path(named: "echo"),
            ["client", "--timeout", "5s", "\(server.address)"],
            input: .pipe
        )
        try await process.write("hello")
        let result = try await process.result()
        #expect(result.exit == .code(75))
        let reason = "the server did not answer in time; 2 bytes did not come back"
        #expect(result.errors == "echo: \(server.address): \(reason)\n")
        #expect(result.output == Array("hel".utf8))
    }

    @Test(arguments: [
        (">/dev/full", "No space left on device"), (">&-", "Bad file descriptor"),
    ])
    func `an output that is full or closed is an error, 71`(
        _ redirection: String,
        _ reason: String
    ) async throws {
        let server = try await RunningServer(.select)
        let echo = try BuiltProduct.path(named: "echo")
        for arguments in [
            "client \(server.address)", "check --only empty \(server.address)",
            "check --json --only empty \(server.address)", "check --list", "models", "--help",
            "--check-config", "--generate-completion-script bash",
        ] {
            let script = "printf hello | \(echo) \(arguments) \(redirection)"
            let result = try await RunningProcess("/bin/bash", ["-c", script]).result()
            #expect(result.exit == .code(71), "\(arguments): \(result)")
            #expect(result.errors == "echo: cannot write the output: \(reason)\n", "\(arguments)")
        }
        // Serving does without.
        let serving = "exec \(echo) --listen 127.0.0.1:0 \(redirection)"
        let process = try RunningProcess("/bin/bash", ["-c", serving])
        _ = try await process.line(from: .standardError) { $0.contains("listening") }
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
    }

    @Test func `an input that is closed is an error, 71`() async throws {
        let server = try await RunningServer(.select)
        let echo = try BuiltProduct.path(named: "echo")
        let script = "exec \(echo) client \(server.address) <&-"
        let result = try await RunningProcess("/bin/bash", ["-c", script]).result()
        #expect(result.exit == .code(71))
        #expect(result.errors == "echo: cannot read the input: Bad file descriptor\n")
    }

    @Test(arguments: [
        [], ["127.0.0.1:x"], ["1", "2"], ["--bogus"], ["--connect-timeout", "5", "1"], ["unix:"],
        ["--timeout", "0s", "1"],
    ])
    func `wrong usage, 64`(_ arguments: [String]) async throws {
        let result = try await runEcho(["client"] + arguments)
        #expect(result.exit == .code(64))
        #expect(result.errors.outputLines.count == 1, "\(result.errors)")
    }
}

extension String {
    /// How often a text occurs.
    fileprivate func components(of part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
