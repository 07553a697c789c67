import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// The high-water mark: what a peer does not take is not read from it either.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct PressureTests {
    // Blocking calls cannot tell that they blocked.
    static let countingModels = EchoServer.IOModel.allCases.filter { $0 != .threadPerClient }

    @Test(arguments: countingModels)
    func `each connection at the mark is counted`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { server, address in
            let load = try EchoLoad(connections: 20, bytes: 1 << 40, behaviour: .neverReads)
                .start(against: address)
            let counted = await eventually { server.statistics.backPressureEpisodes >= 20 }
            #expect(counted, "\(server.statistics)")
            #expect(server.statistics.active == 20)
            load.stop()
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a connection owes no more than its limit`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) {
            $0.pendingLimit = 10_000
        } _: { server, address in
            let load = try EchoLoad(connections: 10, bytes: 1 << 40, behaviour: .neverReads)
                .start(against: address)
            let reached = await eventually { server.statistics.owed > 0 }
            #expect(reached)
            #expect(await load.stalls())
            let owed = server.statistics.owed
            // A blocked send has returned nothing yet, but holds no more than one buffer.
            #expect(owed <= 10 * 10_000 || model == .threadPerClient && owed <= 10 * 65_536)
            load.stop()
        }
    }

    // A thread that blocks in `send` cannot receive meanwhile.
    @Test(arguments: countingModels)
    func `a connection is read on until it owes its limit`(
        _ model: EchoServer.IOModel
    ) async throws {
        let limit = 1 << 20
        try await withServer(model) {
            $0.pendingLimit = limit
        } _: { server, address in
            let load = try EchoLoad(connections: 1, bytes: 1 << 40, behaviour: .neverReads)
                .start(against: address)
            let reached = await eventually {
                let statistics = server.statistics
                return statistics.owed == limit && statistics.backPressureEpisodes >= 1
            }
            #expect(reached, "\(server.statistics)")
            load.stop()
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `readers that never read delay nobody`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let stuck = try EchoLoad(connections: 20, bytes: 1 << 40, behaviour: .neverReads)
                .start(against: address)
            #expect(await stuck.stalls())
            let load = EchoLoad(connections: 5, bytes: 50_000, behaviour: .lockstep(size: 500))
            let start = MonotonicTime.now
            let report = try await load.run(against: address)
            #expect(report.isComplete, "\(report)")
            #expect(MonotonicTime.now - start < patience)
            #expect(server.statistics.active >= 20)
            stuck.stop()
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a connection that was paused goes on when its peer reads`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.pendingLimit = 4096
            $0.receiveBufferSize = 1000
        } _: { _, address in
            let slowly = EchoLoad.Behaviour.slowReader(bytes: 64 << 10, every: .milliseconds(1))
            let report = try await EchoLoad(connections: 5, bytes: 1 << 20, behaviour: slowly)
                .run(against: address)
            #expect(report.isComplete, "\(report)")
        }
    }
}

extension EchoServer.Statistics {
    fileprivate var owed: Int { Int(bytesReceived) - Int(bytesSent) }
}
