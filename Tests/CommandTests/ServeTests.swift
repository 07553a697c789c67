import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `echo`, serving.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ServeTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `it says where it listens, and echoes`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model)
        #expect(server.process.lines(of: .standardOutput) == ["listening on \(server.address)"])
        try await server.expectEcho()
        let line = try await server.process.line(from: .standardError)
        #expect(
            line.contains("info: listening endpoint=\(server.address) model=\(model.rawValue)")
        )
        #expect(server.process.lines(of: .standardError).count == 1)
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.Backend.allCases)
    func `a backend alone stands for its fastest model`(
        _ backend: EchoServer.Backend
    ) async throws {
        let server = try await RunningServer(["--backend", backend.rawValue])
        let line = try await server.process.line(from: .standardError)
        #expect(line.contains(" model=\(backend.defaultModel.rawValue) "))
        try await server.expectEcho()
    }

    @Test func `each endpoint has its line`() async throws {
        let path = "/tmp/echo-command-\(UInt64.random(in: 0 ... .max)).sock"
        let listen = ["--listen", "localhost:0", "--listen", "unix:\(path)"]
        let server = try await RunningServer(.select, listen)
        _ = try await server.process.line { $0.hasPrefix("listening on unix:") }
        let port = try #require(server.address.port)
        #expect(
            server.process.lines(of: .standardOutput) == [
                "listening on 127.0.0.1:\(port)", "listening on [::1]:\(port)",
                "listening on unix:\(path)",
            ]
        )
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SIGTERM with 40 clients mid-stream loses no byte`(
        _ model: EchoServer.IOModel
    ) async throws {
        // A client that the machine holds up for the quiet period is rightly ended: then again.
        let size = isSanitized ? 1000 : 4000
        for attempt in 1...8 {
            let server = try await RunningServer(model, ["--drain-timeout", "20s"])
            let stream = EchoLoad.Behaviour.lockstep(size: size)
            let running = try EchoLoad(connections: 40, bytes: 100 * size, behaviour: stream)
                .start(against: server.address)
            #expect(await running.reaches { $0.bytesVerified > 1000 * size })
            server.process.send(signal: SIGTERM)
            let report = try await running.report()
            let result = try await server.process.result()
            #expect(result.exit == .code(0))
            let summary = try #require(result.errors.outputLines.last)
            #expect(summary.contains("info: stopped "), "\(summary)")
            #expect(summary.contains(" aborted=0 "), "\(summary)")
            if report.isComplete {
                #expect(summary.contains(" accepted=40 "), "\(summary)")
                #expect(summary.contains(" bytes-received=\(4000 * size) "), "\(summary)")
                #expect(summary.contains(" bytes-sent=\(4000 * size) "), "\(summary)")
                return
            }
            #expect(report.firstMismatch == nil, "\(report)")
            #expect(attempt < 8, "\(report)")
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SIGINT drains as well`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model)
        let client = try await TestClient(to: server.address)
        defer { client.close() }
        #expect(try await client.exchange([1, 2]) == [1, 2])
        server.process.send(signal: SIGINT)
        #expect(try await client.receiveToEnd().end == .finished)
        client.close()
        #expect(try await server.process.exit() == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a second SIGTERM ends at once`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model, ["--drain-timeout", "10m"])
        let client = try await server.owedClient()
        defer { client.close() }
        server.process.send(signal: SIGTERM)
        _ = try await server.process.line(from: .standardError) { $0.contains("draining") }
        server.process.send(signal: SIGTERM)
        #expect(try await server.process.exit() == .signal(SIGTERM))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SIGHUP and SIGPIPE do not end it`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model)
        for signal in [SIGHUP, SIGPIPE, SIGHUP] { server.process.send(signal: signal) }
        try await server.expectEcho()
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the time that it was stopped is not the idle time of who has sent meanwhile`(
        _ model: EchoServer.IOModel
    ) async throws {
        // Where the machine holds us up for as long as the timeout, nothing can be said: again,
        // with a longer one.
        for timeout: CInt in [300, 1200, 4800] {
            let server = try await RunningServer(model, ["--idle-timeout", "\(timeout)ms"])
            let (speaking, silent) = (
                try await TestClient(to: server.address), try await TestClient(to: server.address)
            )
            defer {
                speaking.close()
                silent.close()
            }
            let start = MonotonicTime.now
            let isServed = try? await (speaking.exchange([1]), silent.exchange([1])) == ([1], [1])
            server.process.send(signal: SIGSTOP)
            let isInTime = .now - start < .milliseconds(timeout / 2)
            // Not possible any more where we were held up that long.
            try? await speaking.send([2])
            await pause(milliseconds: 2 * timeout)
            server.process.send(signal: SIGCONT)
            let (late, idle) = try await (speaking.receiveToEnd(), silent.receiveToEnd())
            #expect(idle.bytes == [])
            speaking.close()
            silent.close()
            try await server.expectExit()
            guard isInTime, isServed == true else { continue }
            #expect(late.bytes == [2])
            #expect(late.end == .finished)
            return
        }
        Issue.record("the machine was too busy each time")
    }

    @Test func `closed standard streams do not end it`() async throws {
        let path = "/tmp/echo-command-\(UInt64.random(in: 0 ... .max)).sock"
        let echo = try BuiltProduct.path(named: "echo")
        for redirection in [">&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"] {
            let script = "exec \(echo) --model select --listen unix:\(path) \(redirection)"
            let process = try RunningProcess("/bin/sh", ["-c", script])
            let listens = await eventually {
                let report = try? await EchoLoad(connections: 2, bytes: 100_000)
                    .run(against: SocketAddress.unix(path))
                return report?.isComplete == true
            }
            #expect(listens, "\(redirection): \(process.text(of: .standardError))")
            // Else their numbers would be those of sockets, which output would go to.
            let open = ProcessFigures(pid: process.pid).openDescriptors
            if redirection.contains(">&-") { #expect(open[1] == "/dev/null") }
            if redirection.contains("2>&-") { #expect(open[2] == "/dev/null") }
            process.send(signal: SIGTERM)
            #expect(try await process.exit() == .code(0), "\(redirection)")
        }
    }

    @Test func `JSON logs are one object a line`() async throws {
        let flags = ["--log-format", "json", "--log-level", "debug"]
        let server = try await RunningServer(.select, flags)
        try await server.expectEcho()
        _ = try await server.process.line(from: .standardError) { $0.contains("closed") }
        server.process.send(signal: SIGTERM)
        let errors = try await server.process.result().errors
        #expect(errors.outputLines.count >= 5)
        for line in errors.outputLines {
            let object = try #require(JSONObject(String(line)), "\(line)")
            #expect(object["time"]?.count == 24)
            #expect(["debug", "info"].contains(object["level"] ?? ""))
            #expect(object["message"] != nil)
        }
        let closed = errors.outputLines.compactMap { JSONObject(String($0)) }
            .filter { $0["message"] == "connection closed" }
        #expect(closed.count == 3)
        #expect(closed.allSatisfy { $0["cause"] == "peer-closed" && $0["bytes-sent"] == "50000" })
        let numbers: Set = ["bytes-received", "bytes-sent", "duration-seconds"]
        #expect(closed.allSatisfy { $0.numbers == numbers })
        let stopped = try #require(errors.outputLines.last.flatMap { JSONObject(String($0)) })
        #expect(stopped["accepted"] == "3")
        #expect(stopped.numbers.count == 6)
    }

    @Test func `without debug a probe that says nothing leaves no line`() async throws {
        let server = try await RunningServer(.select)
        let report = try await EchoLoad(connections: 20, bytes: 0).run(against: server.address)
        #expect(report.opened == 20)
        try await server.expectEcho()
        _ = try await server.process.line(from: .standardError)
        #expect(server.process.lines(of: .standardError).count == 1)
    }
}
