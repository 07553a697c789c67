import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What serving costs, measured from outside, and what happens when something runs out.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ResourceTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `neither no connection nor 60 idle ones use the processor`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model)
        try await server.expectEcho()
        try await letPass(.milliseconds(100))
        let none = server.figures.cpuTime
        try await letPass(.milliseconds(1500))
        let idle = server.figures.cpuTime
        #expect(idle - none < .milliseconds(20), "\(idle - none) without connections")
        var load = EchoLoad(connections: 60, bytes: 100)
        load.staysOpen = true
        let held = try load.start(against: server.address)
        #expect(await held.reaches { $0.held == 60 })
        try await letPass(.milliseconds(100))
        let before = server.figures.cpuTime
        try await letPass(.milliseconds(1500))
        let used = server.figures.cpuTime - before
        #expect(used < .milliseconds(20), "\(used) with 60 connections")
        held.stop()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a socket without datagrams does not use the processor`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--listen", "udp:127.0.0.1:0"])
        let address = server.address
        // Before the first datagram, and after the last.
        for round in UInt8(0)..<2 {
            try await letPass(.milliseconds(100))
            let before = server.figures.cpuTime
            try await letPass(.milliseconds(1500))
            let used = server.figures.cpuTime - before
            #expect(used < .milliseconds(20), "\(used)")
            try await onThread {
                let client = try DatagramClient()
                #expect(try client.exchange([round], with: address)?.bytes == [round])
            }
        }
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `20 clients that never read cost little memory and no processor time`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model)
        try await server.expectEcho()
        let before = server.figures.residentBytes
        let load = try EchoLoad(connections: 20, bytes: 1 << 40, behaviour: .neverReads)
            .start(against: server.address)
        #expect(await load.stalls())
        let grown = server.figures.residentBytes - before
        #expect(isSanitized || grown < 16 << 20, "\(grown) bytes")
        // The kernel still probes the closed windows; spinning would take every second whole. The
        // first may see the last of the sending, where the machine held the clients up.
        let isQuiet = try await eventually {
            let start = server.figures.cpuTime
            try await letPass(.seconds(1))
            return server.figures.cpuTime - start < .milliseconds(100)
        }
        #expect(isQuiet)
        load.stop()
        try await server.expectEcho()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `1,300 connections at once`(_ model: EchoServer.IOModel) async {
        // In a process of its own: so many descriptors would put those of other tests out of the
        // reach of `select`.
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            let server = try await RunningServer(model)
            var load = EchoLoad(connections: 1300, bytes: 200)
            load.staysOpen = true
            let running = try load.start(against: server.address)
            let settled = await running.reaches { $0.held + $0.turnedAway + $0.refused == 1300 }
            let progress = running.progress
            #expect(settled, "\(progress)")
            if model == .select {
                // PF-1: descriptors from FD_SETSIZE on are reset before the set sees them.
                #expect((960...1024).contains(progress.held), "\(progress)")
            } else {
                #expect(progress.held == 1300, "\(progress)")
            }
            #expect(progress.firstMismatch == nil)
            running.stop()
            let serves = await eventually {
                let report = try? await EchoLoad(connections: 3).run(against: server.address)
                return report?.isComplete == true
            }
            #expect(serves)
            try await server.expectExit()
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the soft limit of descriptors is raised to the hard one`(
        _ model: EchoServer.IOModel
    ) async throws {
        let few = ["/usr/bin/prlimit", "--nofile=32:2048"]
        let server = try await RunningServer(model, through: few)
        let flags = ["--only", "interleaved", "--connections", "100", "--deadline", "60s"]
        let check = try await runCheck(flags + ["\(server.address)"], through: few)
        #expect(check.exit == .code(0), "\(check)")
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `PF-3: with 96 descriptors 200 clients do not end it, and it recovers`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, through: ["/usr/bin/prlimit", "--nofile=96"])
        var load = EchoLoad(connections: 200, bytes: 100)
        load.staysOpen = true
        let running = try load.start(against: server.address)
        _ = try await server.process.line(from: .standardError) { $0.contains("cannot accept") }
        let held = await running.reaches { $0.held >= 30 }
        #expect(held, "\(running.progress)")
        try await letPass(.milliseconds(300))
        let before = server.figures.cpuTime
        try await letPass(.seconds(2))
        let used = server.figures.cpuTime - before
        #expect(used < .milliseconds(50), "\(used)")
        let lines = server.process.lines(of: .standardError)
        #expect(lines.count <= 3, "\(lines)")
        running.stop()
        let recovered = try await server.process.line(from: .standardError) {
            $0.contains("accepting connections again")
        }
        #expect(recovered.contains(" failures="))
        try await server.expectEcho()
        #expect(server.process.lines(of: .standardError).count <= 4)
        try await server.expectExit()
    }
}

extension RunningEchoLoad {
    /// Waits until the server takes no more.
    func stalls() async -> Bool {
        var last = -1
        return await eventually {
            let before = last
            let isSame = await !reaches(within: .milliseconds(250)) { $0.bytesSent != before }
            last = progress.bytesSent
            return isSame && last > 0
        }
    }
}
