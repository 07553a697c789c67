import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Peers that break their connections harm nobody else, and nothing is left of them.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct FailureTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `1,500 clients that reset mid-send leave nothing behind`(
        _ model: EchoServer.IOModel
    ) async throws {
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            raiseDescriptorLimit()
            try await withServer(model) {
                // A worker that is late in closing must not leave the acceptor, which is faster,
                // with numbers too large for select.
                $0.maximumConnections = 500
                $0.whenFull = .defer
            } _: { server, address in
                let figures = ProcessFigures()
                _ = try await EchoLoad(connections: 3).run(against: address)
                await expectEventually(server, \.active, is: 0)
                let before = figures.openSocketsAndPipes.count
                var load = EchoLoad(connections: 1500, bytes: 30_000, behaviour: .reset)
                load.window = 100
                let report = try await load.run(against: address)
                #expect(report.resetByUs + report.reset == 1500, "\(report)")
                // Those reset before they were accepted count as well, for Linux accepts them.
                await expectEventually(server, \.active, is: 0)
                // As many, not the same: event-select keeps some group, which may be a later one.
                let closed = await eventually { figures.openSocketsAndPipes.count <= before }
                #expect(closed, "\(figures.openDescriptors)")
                let after = try await EchoLoad(connections: 10).run(against: address)
                #expect(after.isComplete, "\(after)")
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a peer that leaves without reading what it is owed counts as reset`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let load = try EchoLoad(connections: 5, bytes: 1 << 40, behaviour: .neverReads)
                .start(against: address)
            #expect(await load.stalls())
            await expectEventually(server, \.active, is: 5)
            load.stop()
            await expectEventually(server, { $0.closed }, is: [.reset: 5])
            let report = try await EchoLoad(connections: 5).run(against: address)
            #expect(report.isComplete, "\(report)")
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a reset peer ends alone and is counted by its cause`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let other = try await TestClient(to: address)
            let broken = try await TestClient(to: address)
            defer { for client in [other, broken] { client.close() } }
            #expect(try await other.exchange([1]) == [1])
            #expect(try await broken.exchange([2]) == [2])
            broken.reset()
            await expectEventually(server, { $0.closed }, is: [.reset: 1])
            #expect(try await other.exchange([3]) == [3])
            #expect(server.statistics.active == 1)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `rule 6: urgent data is echoed in its place`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) {
            $0.listen.append(.unix(temporarySocketPath()))
        } _: { server, _ in
            for address in server.endpoints.compactMap(\.address) {
                try await Self.exchangeUrgentData(with: address)
            }
        }
    }

    private static func exchangeUrgentData(with address: SocketAddress) async throws {
        let client = try await TestClient(to: address)
        defer { client.close() }
        try await client.send([1, 2])
        try await client.send([3], flags: CInt(MSG_OOB))
        try await client.send([4, 5])
        #expect(try await client.receive(5) == [1, 2, 3, 4, 5], "\(address)")
        // Alone, and again and again.
        for number in UInt8(0)...20 {
            try await client.send([number], flags: CInt(MSG_OOB))
            #expect(try await client.receive(1) == [number], "\(address)")
        }
        client.shutdownSending()
        #expect(try await client.receiveToEnd().end == .finished, "\(address)")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the counts add up`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { server, address in
            var open = EchoLoad(connections: 7, bytes: 5000)
            open.staysOpen = true
            let held = try open.start(against: address)
            #expect(await held.reaches { $0.held == 7 })
            let report = try await EchoLoad(connections: 20, bytes: 30_000).run(against: address)
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, { $0.closed }, is: [.peerClosed: 20])
            await expectEventually(server, \.bytesSent, is: 7 * 5000 + 20 * 30_000)
            let statistics = server.statistics
            #expect(statistics.accepted == 27)
            #expect(statistics.active == 7)
            #expect(statistics.closedTotal == 20)
            #expect(statistics.bytesReceived == 7 * 5000 + 20 * 30_000)
            #expect(statistics.bytesSent == 7 * 5000 + 20 * 30_000)
            #expect(statistics.rejectedTotal == 0)
            #expect(statistics.acceptFailures == 0)
            held.stop()
            await expectEventually(server, { $0.closed }, is: [.peerClosed: 27])
        }
    }
}
