import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// What a client sends comes back: unchanged, in order, all of it.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct EchoTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `sizes around every power of two come back`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { _, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            for power in 0...20 {
                for size in [(1 << power) - 1, 1 << power, (1 << power) + 1] where size > 0 {
                    let bytes = PatternBytes(seed: UInt64(size)).bytes(count: size)
                    let back = try await client.exchange(bytes)
                    #expect(back == bytes, "\(size) bytes")
                }
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `64 MiB come back while they are sent`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { server, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            // A prime length: a block that went missing would not go unnoticed.
            let block = PatternBytes(seed: 1).bytes(count: 4_194_301)
            for _ in 0..<16 {
                let back = try await client.exchange(block)
                try #require(back == block)
            }
            // The client may have the last bytes before the server has counted them.
            await expectEventually(server, \.bytesSent, is: 16 * 4_194_301)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `all of 8 MiB comes back after a half-close`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { server, address in
            let load = EchoLoad(connections: 1, bytes: 8 << 20)
            let report = try await load.run(against: address)
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, { $0.closed }, is: [.peerClosed: 1])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `all of 8 MiB comes back to a slow reader`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { server, address in
            let slowly = EchoLoad.Behaviour.slowReader(bytes: 64 << 10, every: .milliseconds(2))
            let load = EchoLoad(connections: 1, bytes: 8 << 20, behaviour: slowly)
            let report = try await load.run(against: address)
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, { $0.closed }, is: [.peerClosed: 1])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a half-close right after the data loses nothing`(_ model: EchoServer.IOModel) async throws
    {
        // rule 2, CO-4, AS-8: data and end of stream often arrive together.
        try await withServer(model) { _, address in
            for size in [1, 100, 5000, 65_536, 70_000] {
                let client = try await TestClient(to: address)
                let bytes = PatternBytes(seed: UInt64(size)).bytes(count: size)
                try await client.send(bytes)
                client.shutdownSending()
                let (back, end) = try await client.receiveToEnd()
                client.close()
                #expect(back == bytes)
                #expect(end == .finished)
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `one server serves IPv4, IPv6, a Unix socket and an abstract one`(
        _ model: EchoServer.IOModel
    ) async throws {
        let path = temporarySocketPath()
        let listen: [EchoServer.Endpoint] = [
            .tcp("127.0.0.1", port: 0), .tcp("::1", port: 0), .unix(path),
            .unix("\0echo-\(UInt64.random(in: 0...UInt64.max))"),
        ]
        try await withServer(model) {
            $0.listen = listen
        } _: { server, _ in
            #expect(server.endpoints.count == 4)
            #expect(server.endpoints.map(\.host) == ["127.0.0.1", "::1", nil, nil])
            for endpoint in server.endpoints {
                let address = try #require(endpoint.address)
                let report = try await EchoLoad(connections: 5, bytes: 100_000).run(
                    against: address
                )
                #expect(report.isComplete, "\(endpoint): \(report)")
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `200 connections at once get their own bytes`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { server, address in
            var load = EchoLoad(
                connections: 200,
                bytes: 20_000,
                behaviour: .lockstep(size: 1000)
            )
            load.staysOpen = true
            let running = try load.start(against: address)
            #expect(await running.reaches { $0.held == 200 }, "\(running.progress)")
            #expect(server.statistics.active == 200)
            running.stop()
            let report = try await running.report()
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, \.active, is: 0)
        }
    }
}
