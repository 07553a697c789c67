import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// Limits on the number of connections.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct FullTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a full server resets further connections, until one leaves`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.maximumConnections = 2
        } _: { server, address in
            let first = try await TestClient(to: address)
            let second = try await TestClient(to: address)
            let third = try await TestClient(to: address)
            defer { for client in [first, second, third] { client.close() } }
            #expect(try await first.exchange([1]) == [1])
            #expect(try await second.exchange([2]) == [2])
            #expect(try await third.receiveToEnd().end == .reset)
            #expect(server.statistics.rejected == [.full: 1])
            first.close()
            await expectEventually(server, \.active, is: 1)
            let fourth = try await TestClient(to: address)
            defer { fourth.close() }
            #expect(try await fourth.exchange([4]) == [4])
            #expect(server.statistics.accepted == 3)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `when full defers, the queued are served in their turn`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.maximumConnections = 2
            $0.whenFull = .defer
        } _: { server, address in
            var clients: [TestClient] = []
            defer { for client in clients { client.close() } }
            for number in 0..<8 {
                let client = try await TestClient(to: address)
                try await client.send([UInt8(number)])
                clients.append(client)
            }
            // Each is answered as soon as the one two places before it has left.
            for number in 0..<8 {
                #expect(try await clients[number].receive(1) == [UInt8(number)])
                if number >= 1, number + 1 < 8 {
                    #expect(try await clients[number + 1].isSilent(for: .milliseconds(50)))
                    #expect(server.statistics.active == 2)
                    clients[number - 1].close()
                }
            }
            #expect(server.statistics.rejected == [:])
            #expect(server.statistics.accepted == 8)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a queued connection that resets does not stand in the way`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withFullServer(model, queued: 10) { server, holder, queued in
            for client in queued.prefix(5) { client.reset() }
            holder.close()
            for (index, client) in queued.enumerated().dropFirst(5) {
                let answer = try await client.receive(1)
                #expect(answer == [UInt8(index + 1)])
                client.close()
            }
            await expectEventually(server, \.active, is: 0)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a full server that defers uses no processor time`(
        _ model: EchoServer.IOModel
    ) async throws {
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            try await withFullServer(model, queued: 1) { _, _, queued in
                let waiting = queued[0]
                let begins = try await waiting.isSilent(for: .milliseconds(100))
                let before = ProcessFigures().cpuTime
                #expect(try await waiting.isSilent(for: .seconds(2)) && begins)
                let used = ProcessFigures().cpuTime - before
                #expect(used < .milliseconds(50), "\(used)")
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `connections of one IPv4 address are limited`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) {
            $0.maximumConnectionsPerPeer = 2
        } _: { server, address in
            let first = try await TestClient(to: address)
            let second = try await TestClient(to: address)
            let third = try await TestClient(to: address)
            let other = try await TestClient(to: address, from: .ipv4(0x7F00_0002, port: 0))
            defer { for client in [first, second, third, other] { client.close() } }
            #expect(try await first.exchange([1]) == [1])
            #expect(try await second.exchange([2]) == [2])
            #expect(try await third.receiveToEnd().end == .reset)
            #expect(try await other.exchange([3]) == [3])
            #expect(server.statistics.rejected == [.peerLimit: 1])
            second.close()
            await expectEventually(server, \.active, is: 2)
            let again = try await TestClient(to: address)
            defer { again.close() }
            #expect(try await again.exchange([4]) == [4])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `connections of one local user are limited`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) {
            $0.listen = [.unix(temporarySocketPath())]
            $0.maximumConnectionsPerPeer = 1
        } _: { server, address in
            let first = try await TestClient(to: address)
            let second = try await TestClient(to: address)
            defer { for client in [first, second] { client.close() } }
            #expect(try await first.exchange([1]) == [1])
            _ = try await second.receiveToEnd()
            #expect(server.statistics.rejected == [.peerLimit: 1])
        }
    }
}
