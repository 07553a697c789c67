import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// Loops that poll for a while before they sleep (`--busy-poll`).
@Suite(.timeLimit(.minutes(5)), .serialized)
struct BusyPollTests {
    private static let models = EchoServer.IOModel.allCases.filter { $0 != .threadPerClient }
    /// So few that they take milliseconds: other programs let the server have those now and then.
    private static let echoes = 100

    @Test(arguments: models)
    func `a loop that polls seldom sleeps between the messages of one client`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--busy-poll", "1ms"])
        // Where others want the processors, a poll may be in vain: again.
        let deadline = MonotonicTime.now + .seconds(100)
        var switches = Int.max
        while switches > Self.echoes / 2, .now < deadline {
            switches = try await voluntarySwitches(of: server)
        }
        #expect(switches <= Self.echoes / 2)
        try await server.expectExit()
    }

    // The budget is long: one poll in vain a second would be seen.
    @Test(arguments: models)
    func `SB-7: a loop that may poll does not do so when it is idle`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--busy-poll", "200ms"])
        _ = try await voluntarySwitches(of: server)
        // The first second may see the last poll, where the machine held up its loop.
        var used = Duration.zero
        let isIdle = try await eventually {
            let before = server.figures.cpuTime
            try await letPass(.seconds(1))
            used = server.figures.cpuTime - before
            return used < .milliseconds(25)
        }
        #expect(isIdle, "\(used)")
        try await server.expectExit()
    }

    private func voluntarySwitches(of server: RunningServer) async throws -> Int {
        let before = try #require(ProcessUsage(of: server.process.pid)).voluntarySwitches
        let load = EchoLoad(
            connections: 1,
            bytes: 64 * Self.echoes,
            behaviour: .lockstep(size: 64)
        )
        let report = try await load.run(against: server.address)
        #expect(report.isComplete, "\(report)")
        return try #require(ProcessUsage(of: server.process.pid)).voluntarySwitches - before
    }
}
