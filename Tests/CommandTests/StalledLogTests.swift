import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// A server whose log, or whose service manager, nobody reads.
///
/// It used to write lines on the thread that had something to say: accepting, serving and stopping
/// waited for whoever was to read them.
@Suite(.timeLimit(.minutes(10)), .serialized)
struct StalledLogTests {
    /// Starts a server of which nothing is read, on a socket of its own.
    private func start(
        _ model: EchoServer.IOModel,
        _ arguments: [String],
        _ reader: StalledReader,
        in folder: TemporaryFolder
    ) async throws -> (process: RunningProcess, address: SocketAddress) {
        let path = folder.path("server")
        let echo = try BuiltProduct.path(named: "echo")
        let flags = ["--model", model.rawValue, "--listen", "unix:\(path)"] + arguments
        let command = reader.wrapper(alsoOutput: true) + [echo] + flags
        let process = try RunningProcess(command[0], Array(command.dropFirst()))
        let address = SocketAddress.unix(path)
        let listens = await eventually {
            let report = try? await EchoLoad(connections: 1, bytes: 10).run(against: address)
            return report?.isComplete == true
        }
        try #require(listens)
        return (process, address)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SIGTERM is obeyed within the drain time`(_ model: EchoServer.IOModel) async throws {
        let (reader, folder) = (try StalledReader(), try TemporaryFolder())
        let (process, _) = try await start(
            model,
            ["--drain-timeout", "2s", "--log-level", "debug"],
            reader,
            in: folder
        )
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `at debug all clients are served, and what was dropped is counted`(
        _ model: EchoServer.IOModel
    ) async throws {
        let (reader, folder) = (try StalledReader(), try TemporaryFolder())
        let (process, address) = try await start(
            model,
            ["--log-level", "debug"],
            reader,
            in: folder
        )
        let client = try await TestClient(to: address)
        defer { client.close() }
        // More lines than are kept.
        for round in 0..<30 {
            let report = try await EchoLoad(connections: 400, bytes: 10).run(against: address)
            #expect(report.isComplete, "\(report)")
            #expect(try await client.exchange([UInt8(round)]) == [UInt8(round)])
        }
        // Each connection has two lines; that of the one that is still there, one.
        let expected = 2 * (30 * 400 + 1) + 1
        var (opened, closed, lost) = (0, 0, 0)
        _ = await reader.lines { line in
            if line.contains("connection opened") { opened += 1 }
            if line.contains("connection closed") { closed += 1 }
            if line.contains("log lines were lost") {
                // More may be lost while this one is written: then there is another.
                lost += line.firstMatch(of: /\ count=(\d+)$/).flatMap { Int($0.1) } ?? 0
            }
            return lost > 0 && opened + closed + lost >= expected - 2
        }
        #expect(opened > 1000)
        #expect(lost > 0)
        #expect(opened + closed + lost >= expected - 2)
        process.send(signal: SIGTERM)
        _ = await reader.lines { $0.contains("stopped") }
        #expect(try await process.exit() == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the established ones are served while descriptors are lacking, and others afterwards`(
        _ model: EchoServer.IOModel
    ) async throws {
        let (reader, folder) = (try StalledReader(), try TemporaryFolder())
        let (process, address) = try await start(model, [], reader, in: folder)
        let client = try await TestClient(to: address)
        defer { client.close() }
        #expect(try await client.exchange([1]) == [1])
        let open = ProcessFigures(pid: process.pid).openDescriptorCount
        let limit = try limitDescriptors(of: process.pid, to: open + 3)
        var load = EchoLoad(connections: 10, bytes: 100)
        load.staysOpen = true
        let held = try load.start(against: address)
        #expect(await held.stalls())
        #expect(try await client.exchange([2]) == [2])
        try limitDescriptors(of: process.pid, to: limit)
        #expect(await held.reaches { $0.held == 10 }, "\(held.progress)")
        #expect(try await client.exchange([3]) == [3])
        held.stop()
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a service manager that does not read its socket delays nothing`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try NotifySocket()
        try await socket.fill()
        let variables = ["/usr/bin/env", "NOTIFY_SOCKET=\(socket.name)", "WATCHDOG_USEC=200000"]
        let server = try await RunningServer(model, ["--drain-timeout", "1s"], through: variables)
        // It listens, and tells that it is ready: how long it took to start does not count.
        let begin = MonotonicTime.now
        try await server.expectEcho()
        server.process.send(signal: SIGTERM)
        #expect(try await server.process.exit() == .code(0))
        // READY, STATUS and STOPPING used to take five seconds each.
        let span = MonotonicTime.now - begin
        #expect(span < .seconds(9), "\(span)")
    }

    @Test func `a service manager that reads late gets every message`() async throws {
        let socket = try NotifySocket()
        let filling = try await socket.fill()
        let server = try await RunningServer(
            [],
            through: ["/usr/bin/env", "NOTIFY_SOCKET=\(socket.name)"]
        )
        try await server.expectEcho()
        #expect(socket.messages.count >= filling)
        #expect(await socket.line("READY=1") != nil)
        server.process.send(signal: SIGTERM)
        #expect(await socket.line("STOPPING=1") != nil)
        #expect(try await server.process.exit() == .code(0))
    }

    @Test(arguments: ["2> /dev/full", "> /dev/full 2>&1"])
    func `a full disk does not hold it up`(_ redirection: String) async throws {
        let folder = try TemporaryFolder()
        let script = ["/bin/sh", "-c", "exec \"$0\" \"$@\" \(redirection)"]
        let listen = ["--listen", "unix:\(folder.path("server"))", "--log-level", "debug"]
        let echo = try BuiltProduct.path(named: "echo")
        let command = script + [echo] + listen
        let process = try RunningProcess(command[0], Array(command.dropFirst()))
        let address = SocketAddress.unix(folder.path("server"))
        let isServed = await eventually {
            let report = try? await EchoLoad(connections: 30, bytes: 100).run(against: address)
            return report?.isComplete == true
        }
        #expect(isServed)
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
    }

    // SIGXFSZ used to end it.
    @Test func `a log file that may not grow does not end it, and the loss is told later`()
        async throws
    {
        let folder = try TemporaryFolder()
        let file = folder.path("log")
        let script = ["/bin/sh", "-c", "exec \"$0\" \"$@\" 2>> \(file)"]
        let server = try await RunningServer(
            ["--log-level", "debug", "--log-format", "json"],
            through: script
        )
        try await limitFiles(of: server, to: "1000:unlimited")
        for _ in 0..<20 { try await server.expectEcho() }
        #expect(await eventually { readFile(file).count == 1000 })
        try await limitFiles(of: server, to: "unlimited")
        try await server.expectEcho()
        try await server.expectExit()
        let lines = String(decoding: readFile(file), as: UTF8.self).outputLines
        let objects = lines.map { JSONObject(String($0)) }
        // The one that was cut.
        #expect(objects.count { $0 == nil } <= 1, "\(lines)")
        let loss = objects.compactMap { $0 }.first { $0["message"]?.contains("lost") == true }
        let lost = try #require(loss?["count"].flatMap { Int($0) })
        // Listening, 63 connections twice, draining, stopped.
        let told = objects.compactMap { $0 }.count - 1
        #expect(lost + told == 3 + 2 * 63, "\(lost), \(told)")
        #expect(objects.last??["message"] == "stopped")
    }

    private func limitFiles(of server: RunningServer, to limit: String) async throws {
        let prlimit = try RunningProcess(
            "/usr/bin/prlimit",
            ["--pid", "\(server.process.pid)", "--fsize=\(limit)"]
        )
        #expect(try await prlimit.result().exit == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a reader that goes away does not end it`(_ model: EchoServer.IOModel) async throws {
        let folder = try TemporaryFolder()
        let script = [
            "/bin/bash", "-c", "exec \"$0\" \"$@\" 2> >(head -n 1 > \(folder.path("log")))",
        ]
        let server = try await RunningServer(model, ["--log-level", "debug"], through: script)
        #expect(await eventually { !readFile(folder.path("log")).isEmpty })
        for _ in 0..<5 { try await server.expectEcho() }
        server.process.send(signal: SIGTERM)
        #expect(try await server.process.exit() == .code(0))
    }

    @Test func `with a working reader no line is lost at the end, however many there are`()
        async throws
    {
        let server = try await RunningServer(["--log-level", "debug"])
        var load = EchoLoad(connections: 1500, bytes: 10)
        load.staysOpen = true
        let held = try load.start(against: server.address)
        #expect(await held.reaches { $0.held == 1500 })
        server.process.send(signal: SIGTERM)
        let lines = try await server.process.result().errors.outputLines
        #expect(lines.count { $0.contains("connection closed") } == 1500)
        #expect(lines.last?.contains("stopped") == true)
    }

    @Test func `what is wrong is said although standard error is not read, for a second`()
        async throws
    {
        let reader = try StalledReader()
        let (exit, _, _) = try await runEcho(["--model", "none"], through: reader.wrapper())
        #expect(exit == .code(64))
        let taken = try Listener(.loopback(port: 0))
        let listen = ["--listen", "\(taken.address)"]
        #expect(try await runEcho(listen, through: reader.wrapper()).exit == .code(69))
    }
}
