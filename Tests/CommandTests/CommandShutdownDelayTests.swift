import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `--shutdown-delay`: the time between the first signal and the drain.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct CommandShutdownDelayTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `the first signal is told to everybody and accepts on, the second ends at once`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try NotifySocket()
        let flags = ["--shutdown-delay", "10m", "--metrics", "127.0.0.1:0"]
        let server = try await RunningServer(
            model,
            flags,
            through: ["/usr/bin/env", "NOTIFY_SOCKET=\(socket.name)"]
        )
        let line = try await server.process.line(from: .standardError) {
            $0.contains("serving metrics endpoint=")
        }
        let text = try #require(line.split(separator: "endpoint=").last)
        let metrics = try #require(try Endpoint(parsing: String(text)).resolve().first)
        await expectStatus(200, of: "/readyz", from: metrics)
        server.process.send(signal: SIGTERM)
        await expectStatus(503, of: "/readyz", from: metrics)
        await expectStatus(200, of: "/healthz", from: metrics)
        try await server.expectEcho()
        #expect(await socket.line("STOPPING=1") != nil)
        let status = await socket.line(
            "STATUS=shutting down, still accepting: \(model.rawValue) on"
        )
        #expect(status != nil)
        // Again and again, for longer than the manager would wait.
        let extends = await eventually {
            socket.lines.count { $0.hasPrefix("EXTEND_TIMEOUT_USEC=") } >= 2
        }
        #expect(extends)
        try await server.expectEcho()
        #expect(server.process.isRunning)
        server.process.send(signal: SIGTERM)
        _ = try await server.process.exit()
        #expect(!server.process.text(of: .standardError).contains("draining"))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `when the delay is over it drains and exits with 0`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--shutdown-delay", "200ms"])
        let client = try await TestClient(to: server.address)
        defer { client.close() }
        #expect(try await client.exchange([1]) == [1])
        let begin = MonotonicTime.now
        server.process.send(signal: SIGTERM)
        #expect(try await client.receiveToEnd().end == .finished)
        #expect(MonotonicTime.now - begin >= .milliseconds(200))
        client.close()
        let result = try await server.process.result()
        #expect(result.exit == .code(0))
        let lines = result.errors.outputLines.suffix(3)
        #expect(lines.map { $0.contains("shutting down; ") } == [true, false, false])
        #expect(lines.map { $0.contains("draining ") } == [false, true, false])
    }
}
