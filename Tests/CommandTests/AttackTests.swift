import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Limits under attack: many more clients than there may be.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct AttackTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a storm on a full server is turned away, and those inside do not notice`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--max-connections", "10"])
        let inside = try EchoLoad(connections: 10, bytes: 1 << 40, behaviour: .lockstep(size: 1000))
            .start(against: server.address)
        #expect(await inside.reaches { $0.bytesVerified > 100_000 })
        let storm = try await EchoLoad(connections: 400, bytes: 100).run(against: server.address)
        #expect(storm.turnedAway + storm.refused == 400, "\(storm)")
        let verified = inside.progress.bytesVerified
        #expect(await inside.reaches { $0.bytesVerified > verified + 100_000 })
        #expect(inside.progress.pending == 10, "\(inside.progress)")
        inside.stop()
        #expect(try await inside.report().firstMismatch == nil)
        let recovers = await eventually {
            let report = try? await EchoLoad(connections: 3).run(against: server.address)
            return report?.isComplete == true
        }
        #expect(recovers)
        try await server.expectExit()
        let summary = try #require(server.process.lines(of: .standardError).last)
        let rejected = summary.split(separator: " ").first { $0.hasPrefix("rejected=") }
        #expect(Int(rejected?.dropFirst(9) ?? "") ?? 0 >= 400, "\(summary)")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a storm from one address does not take the places of others`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--max-per-peer", "5"])
        var load = EchoLoad(connections: 300, bytes: 100)
        load.staysOpen = true
        let storm = try load.start(against: server.address)
        #expect(await storm.reaches { $0.held == 5 && $0.turnedAway + $0.refused == 295 })
        let other = try await TestClient(to: server.address, from: .ipv4(0x7F00_0002, port: 0))
        #expect(try await other.exchange([1, 2, 3]) == [1, 2, 3])
        other.close()
        #expect(storm.progress.held == 5, "\(storm.progress)")
        storm.stop()
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a full server that defers serves a long queue to its end`(
        _ model: EchoServer.IOModel
    ) async throws {
        let flags = ["--max-connections", "4", "--when-full", "defer"]
        let server = try await RunningServer(model, flags)
        let report = try await EchoLoad(connections: 400, bytes: 5000).run(against: server.address)
        #expect(report.isComplete, "\(report)")
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the idle timeout ends the silent, and leaves the active alone`(
        _ model: EchoServer.IOModel
    ) async throws {
        // A client that the machine holds up for as long, active or not yet served, is rightly
        // ended: then again.
        for attempt in 1...3 {
            let server = try await RunningServer(model, ["--idle-timeout", "2s"])
            let stream = EchoLoad.Behaviour.lockstep(size: 100)
            let active = try EchoLoad(connections: 5, bytes: 1 << 40, behaviour: stream)
                .start(against: server.address)
            var load = EchoLoad(connections: 200, bytes: 10)
            load.staysOpen = true
            let silent = try load.start(against: server.address)
            let areEnded = await silent.reaches { $0.endedByServer == 200 }
            let verified = active.progress.bytesVerified
            let goesOn = await active.reaches { $0.bytesVerified > verified + 1000 }
            let isWhole = areEnded && goesOn && active.progress.pending == 5
            #expect(active.progress.firstMismatch == nil)
            active.stop()
            try await server.expectExit()
            if isWhole { return }
            #expect(attempt < 3, "\(silent.progress); \(active.progress)")
        }
    }
}
