import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// A server that hangs in a call when it is told to stop.
@Suite(.timeLimit(.minutes(10)), .serialized)
struct HangTests {
    /// The calls that hang, and the thread that does then.
    static let cases = EchoServer.IOModel.allCases.flatMap { model in
        [(model, "accept4"), (model, "recv")]
    }

    private static func loop(_ model: EchoServer.IOModel, _ call: String) -> String {
        switch (model, call) {
        case (.asyncSelect, _): "async-select"
        case (.completionPort, _): "port"
        case (_, "accept4"): "acceptor"
        case (.threadPerClient, _): "client"
        default: model.rawValue
        }
    }

    private func hanging(
        _ model: EchoServer.IOModel,
        in call: String,
        _ arguments: [String]
    ) async throws -> (server: RunningServer, client: TestClient, faults: InjectedFaults) {
        let faults = try await InjectedFaults([.init(call, lateBy: 3_600_000)])
        let wrapper = endingAbruptly + faults.wrapper
        let server = try await RunningServer(model, arguments, through: wrapper)
        let client = try await TestClient(to: server.address)
        #expect(try await client.exchange([1]) == [1])
        faults.apply(true)
        if call == "accept4" {
            let second = try await TestClient(to: server.address)
            #expect(await eventually { faults.failures[0] > 0 })
            second.close()
        } else {
            try await client.send([2])
            #expect(await eventually { faults.failures[0] > 0 })
        }
        return (server, client, faults)
    }

    // It used to wait for the thread for ever.
    @Test(arguments: cases)
    func `it ends by itself soon after the drain timeout, and says what hangs`(
        _ model: EchoServer.IOModel,
        _ call: String
    ) async throws {
        let loop = Self.loop(model, call)
        // One that the machine holds up is rightly named as well: then again.
        for attempt in 1...5 {
            let (server, client, faults) = try await hanging(
                model,
                in: call,
                ["--drain-timeout", "1s"]
            )
            defer { client.close() }
            server.process.send(signal: SIGTERM)
            let result = try await server.process.result(within: .seconds(30))
            withExtendedLifetime(faults) {}
            #expect(result.exit == .code(70))
            let line = try #require(result.errors.outputLines.last)
            #expect(line.contains(" critical: "), "\(line)")
            if line.contains(" hanging=\(loop) ") { return }
            #expect(attempt < 5, "\(line)")
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a second signal ends it at once`(_ model: EchoServer.IOModel) async throws {
        let (server, client, faults) = try await hanging(
            model,
            in: "recv",
            ["--drain-timeout", "10m"]
        )
        defer { client.close() }
        server.process.send(signal: SIGTERM)
        _ = try await server.process.line(from: .standardError) { $0.contains("draining") }
        server.process.send(signal: SIGTERM)
        #expect(try await server.process.exit() == .signal(SIGTERM))
        withExtendedLifetime(faults) {}
    }

    @Test func `the time before the drain counts as well`() async throws {
        let flags = ["--shutdown-delay", "1s", "--drain-timeout", "1s"]
        let (server, client, faults) = try await hanging(.select, in: "recv", flags)
        defer { client.close() }
        let begin = MonotonicTime.now
        server.process.send(signal: SIGTERM)
        #expect(try await server.process.exit(within: .seconds(30)) == .code(70))
        #expect(.now - begin > .seconds(5))
        withExtendedLifetime(faults) {}
    }

    // A server whose metrics have a host name used to wait for the resolver, and then to exit with
    // 70.
    @Test(arguments: [
        ["--listen", "slow.example:0"],
        ["--listen", "127.0.0.1:0", "--metrics", "slow.example:0"],
    ])
    func `a start that waits for a name server is given up at once`(
        _ arguments: [String]
    ) async throws {
        let faults = try await InjectedFaults(
            [.init("getaddrinfo", lateBy: 3_600_000)],
            fromStart: true
        )
        let command = faults.wrapper + [try BuiltProduct.path(named: "echo")] + arguments
        let process = try RunningProcess(command[0], Array(command.dropFirst()))
        #expect(await eventually { faults.failures[0] > 0 })
        process.send(signal: SIGTERM)
        let result = try await process.result()
        #expect(result.exit == .code(0), "\(result.errors)")
        #expect(result.output == [])
    }

    // It used to take three times as long, and to name nothing; and with a group that is looked up,
    // as in a directory that does not answer, no signal did anything.
    @Test(arguments: [("listen", [] as [String]), ("getgrnam_r", ["--socket-group", "root"])])
    func `a start that hangs in a call ends, and is named`(
        _ call: String,
        _ flags: [String]
    ) async throws {
        let faults = try await InjectedFaults(
            [.init(call, lateBy: 3_600_000)],
            fromStart: true
        )
        let echo = try BuiltProduct.path(named: "echo")
        let arguments = ["--listen", "127.0.0.1:0", "--drain-timeout", "1s"] + flags
        let command = faults.wrapper + [echo] + arguments
        let process = try RunningProcess(command[0], Array(command.dropFirst()))
        #expect(await eventually { faults.failures[0] > 0 })
        process.send(signal: SIGTERM)
        let result = try await process.result(within: .seconds(30))
        #expect(result.exit == .code(70))
        #expect(result.errors.contains(" hanging=start "), "\(result.errors)")
    }

    @Test func `a start that hangs ends as well`() async throws {
        let folder = try TemporaryFolder()
        let pipe = folder.path("settings")
        try systemCall("mkfifo") { unsafe mkfifo(pipe, 0o600) }
        let process = try RunningProcess(try BuiltProduct.path(named: "echo"), ["--config", pipe])
        var writing: CInt = -1
        #expect(
            await eventually {
                writing = unsafe open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
                return writing >= 0
            }
        )
        let end = Descriptor(adopting: writing)
        process.send(signal: SIGTERM)
        let result = try await process.result(within: .seconds(30))
        #expect(result.exit == .code(70))
        #expect(result.errors.contains(" hanging=start "), "\(result.errors)")
        _ = consume end
    }
}
