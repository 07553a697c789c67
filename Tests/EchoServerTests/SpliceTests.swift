import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Large streams, which some models pass through a pipe (``EchoServer/Configuration/splice``).
@Suite(.timeLimit(.minutes(5)), .serialized)
struct SpliceTests {
    private static let size = 64 * 1024
    private static let count = isSanitized ? 32 : 128

    @Test(arguments: EchoServer.IOModel.allCases, EchoServer.Configuration.Splicing.allCases)
    func `eight streams of 64 KiB messages come back, and are counted`(
        _ model: EchoServer.IOModel,
        _ splice: EchoServer.Configuration.Splicing
    ) async throws {
        try await withServer(model) {
            $0.splice = splice
        } _: { server, address in
            let total = UInt64(8 * Self.size * Self.count)
            var load = EchoLoad(connections: 8, bytes: Self.size * Self.count)
            load.chunk = Self.size
            let report = try await load.run(against: address)
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, { $0.closed }, is: [.peerClosed: 8])
            #expect(server.statistics.bytesReceived == total)
            #expect(server.statistics.bytesSent == total)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `eight slow readers get everything after their half-close`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.listen.append(.unix(temporarySocketPath()))
        } _: { server, _ in
            let slowly = EchoLoad.Behaviour.slowReader(bytes: 100_000, every: .milliseconds(1))
            for address in server.endpoints.compactMap(\.address) {
                var load = EchoLoad(connections: 8, bytes: 4 << 20, behaviour: slowly)
                load.chunk = Self.size
                let report = try await load.run(against: address)
                #expect(report.isComplete, "\(address): \(report)")
            }
            await expectEventually(server, { $0.closed }, is: [.peerClosed: 16])
            #expect(server.statistics.bytesSent == server.statistics.bytesReceived)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `rule 6: urgent data in a stream is echoed in its place`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            for round in 0..<20 {
                let message = PatternBytes(seed: UInt64(round)).bytes(count: 8 * Self.size)
                #expect(try await client.exchange(message) == message)
                let last = Array(message.prefix(Self.size))
                try await client.send(last)
                try await client.send([1, 2, 3], flags: CInt(MSG_OOB))
                try await client.send(last)
                #expect(try await client.receive(3 + 2 * Self.size) == last + [1, 2, 3] + last)
            }
            client.shutdownSending()
            #expect(try await client.receiveToEnd().end == .finished)
            await expectEventually(server, \.bytesSent, is: UInt64(20 * (10 * Self.size + 3)))
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `rule 3: a stream owes no more than its limit, and others go on`(
        _ model: EchoServer.IOModel
    ) async throws {
        let limit = 40_000
        try await withServer(model) {
            $0.pendingLimit = limit
        } _: { server, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            let message = PatternBytes(seed: 1).bytes(count: 8 * Self.size)
            for _ in 0..<10 { #expect(try await client.exchange(message) == message) }
            let stuck = try EchoLoad(connections: 4, bytes: 1 << 40, behaviour: .neverReads)
                .start(against: address)
            #expect(await stuck.stalls())
            let most = model == .threadPerClient ? Self.size : limit
            let statistics = server.statistics
            #expect(statistics.bytesReceived - statistics.bytesSent <= 4 * most)
            for _ in 0..<10 { #expect(try await client.exchange(message) == message) }
            stuck.stop()
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `CO-9: resets amid streams end no process, and no descriptor is left`(
        _ model: EchoServer.IOModel
    ) async {
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            signal(SIGPIPE, SIG_DFL)
            let before = ProcessFigures().openSocketsAndPipes
            try await withServer(model) { server, address in
                let first = try await TestClient(to: address)
                #expect(try await first.exchange([1]) == [1])
                // With those of the threads' loops.
                let pipes = openPipes()
                first.close()
                let message = PatternBytes(seed: 1).bytes(count: 512 * 1024)
                for round in 0..<30 {
                    let client = try await TestClient(to: address)
                    #expect(try await client.exchange(message) == message)
                    for _ in 0..<(round % 3) { try await client.send(Array(message[..<100_000])) }
                    if round % 2 == 0 { client.shutdownSending() }
                    client.reset()
                }
                await expectEventually(server, \.active, is: 0)
                let isClosed = await eventually { openPipes() == pipes }
                #expect(isClosed, "\(pipes), then \(openPipes())")
                let client = try await TestClient(to: address)
                #expect(try await client.exchange(message) == message)
                client.close()
            }
            let closed = await eventually {
                ProcessFigures().openSocketsAndPipes.isSubset(of: before)
            }
            #expect(closed, "\(ProcessFigures().openDescriptors)")
        }
    }
}

/// The pipes of which the process has both ends.
private func openPipes() -> Set<String> {
    let ends = Dictionary(grouping: ProcessFigures().openDescriptors.values) { $0 }
    return Set(ends.filter { $0.key.hasPrefix("pipe:") && $0.value.count == 2 }.keys)
}
