import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What the command does with its connections when it is told to end; the library's own rules are
/// in `DrainTests` of `EchoServerTests`.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct CommandDrainTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `rule 10: under full load every byte that was received is returned`(
        _ model: EchoServer.IOModel
    ) async throws {
        // A client that the machine holds up for the quiet period is rightly ended: then again.
        for attempt in 1...8 {
            let server = try await RunningServer(model, ["--drain-timeout", "40s"])
            let running = try EchoLoad(connections: 40, bytes: 512 << 10)
                .start(against: server.address)
            #expect(await running.reaches { $0.bytesVerified > 2 << 20 })
            server.process.send(signal: SIGTERM)
            let report = try await running.report()
            let result = try await server.process.result()
            #expect(result.exit == .code(0), "\(result.errors)")
            #expect(report.firstMismatch == nil, "\(report)")
            if report.isComplete {
                let summary = try #require(result.errors.outputLines.last)
                #expect(summary.contains(" aborted=0 "), "\(summary)")
                #expect(summary.contains(" bytes-received=\(20 << 20) "), "\(summary)")
                #expect(summary.contains(" bytes-sent=\(20 << 20) "), "\(summary)")
                return
            }
            #expect(attempt < 8, "\(report)")
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `connections queued before the signal are served`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--drain-timeout", "20s"])
        try await server.expectEcho()
        // Stopped, it accepts nothing: all of them are in the kernel's queue when the signal comes.
        server.process.send(signal: SIGSTOP)
        let queued = try EchoLoad(connections: 50, bytes: 2000).start(against: server.address)
        #expect(await queued.reaches { $0.bytesSent == 50 * 2000 })
        server.process.send(signal: SIGTERM)
        server.process.send(signal: SIGCONT)
        let report = try await queued.report()
        #expect(report.isComplete, "\(report)")
        #expect(try await server.process.exit() == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `what has arrived is echoed, however late the server gets to it`(
        _ model: EchoServer.IOModel
    ) async throws {
        // One connection costs the server more time than another may be quiet.
        let slowness = try await InjectedFaults(
            ["accept4", "recv"].map { .init($0, lateBy: 120) }
        )
        let server = try await RunningServer(
            model,
            ["--drain-timeout", "40s"],
            through: slowness.wrapper
        )
        let known = try await TestClient(to: server.address)
        defer { known.close() }
        #expect(try await known.exchange([1]) == [1])
        server.process.send(signal: SIGSTOP)
        slowness.apply(true)
        let queued = try EchoLoad(connections: 4, bytes: 2000).start(against: server.address)
        #expect(await queued.reaches { $0.bytesSent == 4 * 2000 })
        try await known.send([2])
        server.process.send(signal: SIGTERM)
        server.process.send(signal: SIGCONT)
        #expect(try await known.receiveToEnd().bytes == [2])
        let report = try await queued.report()
        #expect(report.isComplete, "\(report)")
        #expect(try await server.process.exit() == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `queued connections are served even if descriptors were lacking`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--drain-timeout", "20s"])
        try await server.expectEcho()
        var load = EchoLoad(connections: 30, bytes: 100)
        load.staysOpen = true
        let held = try load.start(against: server.address)
        #expect(await held.reaches { $0.held == 30 })
        try limitDescriptors(of: server.process.pid, to: server.figures.openDescriptorCount)
        let queued = try EchoLoad(connections: 20, bytes: 2000).start(against: server.address)
        _ = try await server.process.line(from: .standardError) { $0.contains("cannot accept") }
        #expect(await queued.reaches { $0.bytesSent == 20 * 2000 })
        server.process.send(signal: SIGTERM)
        // Those that are idle end at once, and leave their descriptors to those that wait.
        let report = try await queued.report()
        #expect(report.isComplete, "\(report)")
        #expect(try await held.report().endedByServer == 30)
        #expect(try await server.process.exit() == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the deadline holds against clients that never stop sending`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--drain-timeout", "1s"])
        let clients = try (0..<10).map { number in
            var load = EchoLoad(bytes: 1 << 40)
            load.seed = UInt64(number)
            return try load.start(against: server.address)
        }
        // Each of them: one that has had nothing back would be turned away.
        for client in clients { #expect(await client.reaches { $0.bytesVerified > 100_000 }) }
        server.process.send(signal: SIGTERM)
        let exit = try await server.process.exit()
        #expect(exit == .code(0))
        for client in clients {
            let report = try await client.report()
            #expect(report.firstMismatch == nil, "\(report)")
            #expect(report.endedEarly + report.reset == 1, "\(report)")
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SIGINT after SIGTERM ends at once`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model, ["--drain-timeout", "10m"])
        let client = try await server.owedClient()
        defer { client.close() }
        server.process.send(signal: SIGTERM)
        _ = try await server.process.line(from: .standardError) { $0.contains("draining") }
        server.process.send(signal: SIGINT)
        #expect(try await server.process.exit() == .signal(SIGINT))
    }
}
