import EchoSockets
import EchoTestSupport
import Testing

@testable import EchoServer

/// Servers that serve the same inherited socket one after the other.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct SuccessionTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `what is queued when one server ends is served by the next`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try ManagedSocket(.loopback(port: 0))
        let first = try serving([socket], model)
        let open = try await TestClient(to: socket.address)
        defer { open.close() }
        #expect(try await open.exchange([1]) == [1])
        let ending = Task { await first.shutdown(drainingFor: .seconds(20)) }
        #expect(try await open.receiveToEnd().end == .finished)
        open.close()
        await ending.value
        let queued = try await TestClient(to: socket.address)
        defer { queued.close() }
        try await queued.send([2, 3])
        let second = try serving([socket], model)
        #expect(try await queued.receive(2) == [2, 3])
        await second.shutdown(drainingFor: .zero)
        #expect(first.statistics.accepted == 1)
        #expect(second.statistics.accepted == 1)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `one server after the other loses no connection`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try ManagedSocket(.loopback(port: 0))
        var statistics = EchoServer.Statistics()
        var load = EchoLoad(connections: 1500, bytes: 100)
        load.window = 4
        load.deadline = .seconds(120)
        let running = try load.start(against: socket.address)
        var served = 0
        while served < 1500 {
            let server = try serving([socket], model)
            let next = min(served + 300, 1500)
            _ = await running.reaches {
                $0.echoed + $0.turnedAway + $0.endedEarly + $0.reset >= next
            }
            await server.shutdown(drainingFor: .seconds(20))
            statistics.accepted += server.statistics.accepted
            statistics.closed.merge(server.statistics.closed) { $0 + $1 }
            served = next
        }
        let report = try await running.report()
        #expect(report.refused == 0, "\(report)")
        #expect(statistics.accepted == 1500, "\(statistics)")
        // A client that the machine holds up for the quiet period is rightly ended.
        let ended = UInt64(report.connections - report.echoed)
        #expect(ended <= statistics.closed[.drained] ?? 0, "\(report) \(statistics)")
        #expect(statistics.closed[.aborted] == nil, "\(statistics)")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a connection that was held back is served, not dropped`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try ManagedSocket(.loopback(port: 0))
        let admits = Locked(false)
        let server = try serving([socket], model) {
            $0.admission = { _ in admits.withLock { $0 } ? .accept : .defer }
        }
        let client = try await TestClient(to: socket.address)
        defer { client.close() }
        await expectEventually(server, \.deferred, is: 1)
        let ending = Task { await server.shutdown(drainingFor: .seconds(20)) }
        #expect(await eventually { server.endpoints.isEmpty })
        try await client.send([7])
        admits.withLock { $0 = true }
        #expect(try await client.receive(1) == [7])
        client.close()
        await ending.value
        #expect(server.statistics.accepted == 1)
    }

    @Test func `after a start that failed the socket can be served`() async throws {
        let socket = try ManagedSocket(.loopback(port: 0))
        let taken = try Listener(.loopback(port: 0))
        let inherited = try socket.pass()
        var configuration = EchoServer.Configuration(inherited: [inherited])
        configuration.listen = [.tcp("127.0.0.1", port: taken.address.port ?? 0)]
        let failing = try EchoServer(configuration: configuration)
        let failure = #expect(throws: EchoServer.Failure.self) { try failing.start() }
        #expect(failure?.code == .addressInUse)
        configuration.listen = []
        let server = try EchoServer(configuration: configuration)
        #expect(try server.start().map(\.address) == [socket.address])
        let report = try await EchoLoad().run(against: socket.address)
        #expect(report.isComplete, "\(report)")
        // One server serves it.
        let second = try EchoServer(configuration: configuration)
        let again = #expect(throws: EchoServer.Failure.self) { try second.start() }
        #expect(again?.code == .unusableSocket)
        #expect(again?.message.hasSuffix("is served by another server") == true)
        await server.shutdown(drainingFor: .zero)
    }
}
