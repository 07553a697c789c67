import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// What a shutdown does to connections: no byte that was received is lost.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct DrainTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `40 clients mid-stream lose no byte`(_ model: EchoServer.IOModel) async throws {
        // A client that the machine holds up for the quiet period is rightly ended: then again.
        let bytes = isSanitized ? 200_000 : 800_000
        for attempt in 1...8 {
            let report = try await withServer(model) { server, address in
                let stream = EchoLoad.Behaviour.lockstep(size: 4000)
                let running = try EchoLoad(connections: 40, bytes: bytes, behaviour: stream)
                    .start(against: address)
                #expect(await running.reaches { $0.bytesVerified > 100_000 })
                await server.shutdown(drainingFor: .seconds(20))
                let report = try await running.report()
                #expect(report.firstMismatch == nil, "\(report)")
                #expect(server.statistics.closed[.aborted] == nil)
                #expect(server.statistics.bytesSent == server.statistics.bytesReceived)
                return report
            }
            if report.isComplete { return }
            #expect(attempt < 8, "\(report)")
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `an idle connection is ended at once, in good order`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let idle = try await TestClient(to: address)
            let silent = try await TestClient(to: address)
            defer { silent.close() }
            #expect(try await idle.exchange([1]) == [1])
            await expectEventually(server, \.active, is: 2)
            let start = MonotonicTime.now
            let shutdown = Task { await server.shutdown(drainingFor: .seconds(60)) }
            let ended = try await idle.receiveToEnd()
            #expect(ended.bytes == [])
            #expect(ended.end == .finished)
            idle.close()
            #expect(try await silent.receiveToEnd().end == .finished)
            silent.close()
            try await withDeadline { await shutdown.value }
            #expect(MonotonicTime.now - start < patience)
            #expect(server.statistics.closed == [.drained: 2])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a peer that does not close in turn is not waited for long`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            #expect(try await client.exchange([1]) == [1])
            let start = MonotonicTime.now
            await server.shutdown(drainingFor: .seconds(60))
            #expect(MonotonicTime.now - start < patience)
            #expect(server.statistics.closed == [.drained: 1])
            #expect(try await client.receiveToEnd().end == .finished)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `connections still queued are served`(_ model: EchoServer.IOModel) async throws {
        try await withFullServer(model, queued: 3) { server, first, queued in
            let shutdown = Task { await server.shutdown(drainingFor: .seconds(60)) }
            #expect(await eventually { server.endpoints.isEmpty })
            first.close()
            for (index, client) in queued.enumerated() {
                let (bytes, end) = try await client.receiveToEnd()
                #expect(bytes == [UInt8(index + 1)])
                #expect(end == .finished)
                client.close()
            }
            try await withDeadline { await shutdown.value }
            #expect(server.statistics.accepted == 4)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the last of the queued, which does not close in turn, is not waited for long`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withFullServer(model, queued: 1) { server, _, queued in
            let start = MonotonicTime.now
            try await withDeadline { await server.shutdown(drainingFor: .seconds(60)) }
            #expect(MonotonicTime.now - start < patience)
            #expect(try await queued[0].receiveToEnd().bytes == [1])
            #expect(server.statistics.closed == [.drained: 2])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a client that never stops sending gets back a clean beginning`(
        _ model: EchoServer.IOModel
    ) async throws {
        // All that the server took in is returned, if the client reads it in time: one that the
        // machine holds up for the last quarter does not. Then again, with more of it.
        for seconds in [2, 2, 4, 4, 8, 8, 8] {
            let counts = try await withServer(model) { server, address in
                let running = try EchoLoad(connections: 2, bytes: 1 << 40).start(against: address)
                #expect(await running.reaches { $0.bytesVerified > 1_000_000 })
                let start = MonotonicTime.now
                await server.shutdown(drainingFor: .seconds(seconds))
                let span = MonotonicTime.now - start
                #expect(span > .seconds(seconds) / 2, "ended early, after \(span)")
                #expect(span < patience)
                let report = try await running.report()
                #expect(report.firstMismatch == nil, "\(report)")
                #expect(report.endedEarly + report.reset == 2, "\(report)")
                return server.statistics
            }
            if counts.bytesSent == counts.bytesReceived { return }
        }
        Issue.record("something was kept back each time")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a drain timeout of zero closes everything at once`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            var load = EchoLoad(connections: 10, bytes: 1000)
            load.staysOpen = true
            let held = try load.start(against: address)
            #expect(await held.reaches { $0.held == 10 })
            let busy = try EchoLoad(connections: 5, bytes: 1 << 40).start(against: address)
            #expect(await busy.reaches { $0.bytesVerified > 1_000_000 })
            let start = MonotonicTime.now
            await server.shutdown(drainingFor: .zero)
            #expect(MonotonicTime.now - start < patience)
            #expect(server.statistics.closed == [.aborted: 15])
            #expect(try await held.report().endedByServer == 10)
            #expect(try await busy.report().firstMismatch == nil)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a reader that never reads is cut at the deadline`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let running = try EchoLoad(connections: 3, bytes: 1 << 40, behaviour: .neverReads)
                .start(against: address)
            // A thread that blocks in `send` does not know that it does.
            let isStuck = await eventually {
                guard model == .threadPerClient else {
                    return server.statistics.backPressureEpisodes >= 3
                }
                let stalls = await running.stalls()
                let counts = server.statistics
                return stalls && counts.bytesReceived > counts.bytesSent
            }
            #expect(isStuck)
            let start = MonotonicTime.now
            await server.shutdown(drainingFor: .milliseconds(500))
            #expect(MonotonicTime.now - start < patience)
            #expect(server.statistics.closed == [.aborted: 3])
            // Cut short, and to be seen as such: not an end that looks complete.
            #expect(try await running.report().reset == 3)
        }
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
