import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What `echo` tells a service manager.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct NotifyTests {
    private func start(
        _ socket: NotifySocket,
        _ arguments: [String] = [],
        _ variables: [String] = []
    ) async throws -> RunningServer {
        let environment = ["/usr/bin/env", "NOTIFY_SOCKET=\(socket.name)"] + variables
        return try await RunningServer(arguments, through: environment)
    }

    @Test(arguments: [false, true])
    func `ready, with a status; then stopping`(_ isAbstract: Bool) async throws {
        let socket = try NotifySocket(isAbstract: isAbstract)
        let server = try await start(socket, ["--model", "select"])
        _ = await socket.line("READY=1")
        let status =
            "select on \(server.address); connections: 0 active, 0 accepted, 0 rejected; "
            + "version \(EchoServer.version)"
        #expect(socket.messages == ["READY=1\nSTATUS=\(status)"])
        let client = try await TestClient(to: server.address)
        defer { client.close() }
        #expect(try await client.exchange([1]) == [1])
        server.process.send(signal: SIGTERM)
        _ = await socket.line("STOPPING=1")
        let stopping = try #require(socket.messages.last { $0.contains("STOPPING") })
        #expect(
            stopping.split(separator: "\n") == [
                "STOPPING=1",
                "STATUS=draining: select on \(server.address); "
                    + "connections: 1 active, 1 accepted, 0 rejected; "
                    + "version \(EchoServer.version)",
                "EXTEND_TIMEOUT_USEC=15000000",
            ]
        )
        client.close()
        #expect(try await server.process.exit() == .code(0))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `it feeds the watchdog while it serves, and uses next to no processor time`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try NotifySocket()
        let server = try await start(socket, ["--model", model.rawValue], ["WATCHDOG_USEC=100000"])
        try await server.expectEcho()
        let pings = { socket.lines.count { $0 == "WATCHDOG=1" } }
        let before = (pings(), server.figures.cpuTime)
        #expect(await eventually { pings() >= before.0 + 20 })
        // Twenty take a second; more have come if the machine held us up.
        let used = server.figures.cpuTime - before.1
        let count = pings() - before.0
        #expect(used < .milliseconds(isSanitized ? 30 : 3) * count, "\(used) for \(count)")
        try await server.expectExit()
    }

    @Test func `it does not feed the watchdog of another process, or one that makes no sense`()
        async throws
    {
        for variables in [
            ["WATCHDOG_USEC=20000", "WATCHDOG_PID=1"], ["WATCHDOG_USEC=often"],
            ["WATCHDOG_USEC=0"], ["WATCHDOG_USEC=9223372036854775807"], [],
        ] {
            let socket = try NotifySocket()
            let server = try await start(socket, [], variables)
            #expect(await socket.line("READY=1") != nil)
            try await letPass(.milliseconds(200))
            try await server.expectExit()
            // Everything has been told by now.
            let told = socket.messages.compactMap { $0.split(separator: "\n").first }
                .filter { !$0.hasPrefix("EXTEND_TIMEOUT_USEC=") }
            #expect(told == ["READY=1", "STOPPING=1"], "\(variables): \(socket.messages)")
            let warnings = server.process.lines(of: .standardError)
                .filter { $0.contains(" warning: ") }
            #expect(warnings.count == (variables.count == 1 ? 1 : 0), "\(warnings)")
        }
    }

    @Test func `the status is told when it has changed, and not often`() async throws {
        let socket = try NotifySocket()
        let begin = MonotonicTime.now
        let server = try await start(socket)
        #expect(await socket.line("READY=1") != nil)
        for _ in 0..<10 { try await server.expectEcho() }
        let told = socket.messages
        let most = 1 + Int((.now - begin) / .seconds(3))
        #expect(told.count <= most, "\(told)")
        #expect(
            await eventually { socket.lines.last?.contains(" 0 active, 30 accepted, ") == true }
        )
        // Then nothing changes, and nothing is told.
        let messages = socket.messages
        let used = server.figures.cpuTime
        try await letPass(.milliseconds(3500))
        #expect(socket.messages == messages)
        #expect(server.figures.cpuTime - used < .milliseconds(isSanitized ? 100 : 20))
        try await server.expectExit()
    }

    @Test func `why it cannot serve is told, with the error's number`() async throws {
        let taken = try Listener(.loopback(port: 0))
        let socket = try NotifySocket()
        let listen = ["--listen", "\(taken.address)"]
        let wrapper = ["/usr/bin/env", "NOTIFY_SOCKET=\(socket.name)"]
        let (exit, _, _) = try await runEcho(listen, through: wrapper)
        #expect(exit == .code(69))
        let reason = "cannot listen on \(taken.address): Address already in use"
        #expect(socket.messages == ["ERRNO=\(EADDRINUSE)\nSTATUS=\(reason)"])
    }

    @Test(arguments: [
        "/nowhere/notify", "relative", "vsock:2:1", "@", "/" + String(repeating: "x", count: 200),
    ])
    func `a socket that cannot be used is complained of once, and it serves`(
        _ name: String
    ) async throws {
        let environment = ["/usr/bin/env", "NOTIFY_SOCKET=\(name)", "WATCHDOG_USEC=20000"]
        let server = try await RunningServer([], through: environment)
        try await server.expectEcho()
        let warnings = {
            server.process.lines(of: .standardError).filter { $0.contains(" warning: ") }
        }
        #expect(await eventually { warnings().count == 1 })
        try await server.expectExit()
        #expect(warnings().count == 1, "\(warnings())")
    }
}
