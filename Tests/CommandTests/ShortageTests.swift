import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What becomes of connections while something is lacking to serve them.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ShortageTests {
    // Those whose workers take no more than 64 connections used to reset what they had accepted
    // when there was no descriptor for a further worker, one after the other.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `rule 9, PF-3: nobody is turned away for lack of descriptors`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model)
        try await server.expectEcho()
        var load = EchoLoad(connections: 64, bytes: 100)
        load.staysOpen = true
        let held = try load.start(against: server.address)
        #expect(await held.reaches { $0.held == 64 })
        let open = server.figures.openDescriptorCount
        // Enough for a connection, not for all that serving a further group takes.
        let limit = try limitDescriptors(of: server.process.pid, to: open + 2)
        load.connections = 40
        let waiting = try load.start(against: server.address)
        _ = try await server.process.line(from: .standardError) { $0.contains("cannot accept") }
        try await letPass(.milliseconds(500))
        let before = server.figures.cpuTime
        try await letPass(.seconds(1))
        let used = server.figures.cpuTime - before
        #expect(used < .milliseconds(25), "\(used)")
        #expect(waiting.progress.turnedAway == 0, "\(waiting.progress)")
        try limitDescriptors(of: server.process.pid, to: limit)
        #expect(await waiting.reaches { $0.held == 40 }, "\(waiting.progress)")
        held.stop()
        waiting.stop()
        try await server.expectEcho()
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `clients that come and go while descriptors are lacking do not fill the log`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model)
        try await server.expectEcho()
        let open = server.figures.openDescriptorCount
        let start = MonotonicTime.now
        let limit = try limitDescriptors(of: server.process.pid, to: open + 20)
        // More than there are descriptors for: that is said, however slowly they come. That clients
        // queue while there is none is not certain later, when they come and go.
        var resting = EchoLoad(connections: 40, bytes: 100)
        resting.staysOpen = true
        let held = try resting.start(against: server.address)
        _ = try await server.process.line(from: .standardError) { $0.contains("cannot accept") }
        held.stop()
        resting.connections = 17
        let left = try resting.start(against: server.address)
        #expect(await left.reaches { $0.held == 17 })
        for _ in 0..<20 {
            var load = EchoLoad(connections: 100, bytes: 1000)
            load.window = 40
            let report = try await load.run(against: server.address)
            #expect(report.firstMismatch == nil, "\(report)")
        }
        let seconds = Int((MonotonicTime.now - start).components.seconds)
        try limitDescriptors(of: server.process.pid, to: limit)
        let lines = server.process.lines(of: .standardError)
        #expect(lines.count <= 1 + 2 * (seconds / 5 + 2), "\(lines.count) in \(seconds) s")
        left.stop()
        try await server.expectEcho()
        try await server.expectExit()
    }

    // The thread that accepts takes 64 connections and then looks at its other sockets; if these
    // were all, it used to wait for the next one to say that it accepts again.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a shortage is over when all that waited are served, however many they are`(
        _ model: EchoServer.IOModel
    ) async throws {
        let faults = try await InjectedFaults([.init("accept4", EMFILE)])
        let server = try await RunningServer(model, through: faults.wrapper)
        try await server.expectEcho()
        faults.apply(true)
        var load = EchoLoad(connections: 64, bytes: 100)
        load.staysOpen = true
        let waiting = try load.start(against: server.address)
        _ = try await server.process.line(from: .standardError) { $0.contains("cannot accept") }
        #expect(await waiting.reaches { $0.opened == 64 }, "\(waiting.progress)")
        faults.apply(false)
        #expect(await waiting.reaches { $0.held == 64 }, "\(waiting.progress)")
        _ = try await server.process.line(from: .standardError) {
            $0.contains("accepting connections again")
        }
        waiting.stop()
        try await server.expectExit()
    }
}
