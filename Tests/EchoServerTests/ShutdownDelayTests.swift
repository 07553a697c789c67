import EchoServer
import EchoSockets
import EchoTestSupport
import ServiceLifecycle
import ServiceLifecycleTestKit
import Testing

/// A shutdown as it is configured: the delay in which a load balancer notices, then the drain.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ShutdownDelayTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `after a graceful shutdown it is not ready, and accepts until the task is cancelled`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try makeServer(model, delay: .seconds(600))
        #expect(!server.isReady)
        try await testGracefulShutdown { trigger in
            let running = Task { try await server.run() }
            #expect(await eventually { server.isReady })
            let address = try #require(server.endpoints.first?.address)
            let client = try await TestClient(to: address)
            defer { client.close() }
            #expect(try await client.exchange([1]) == [1])
            trigger.triggerGracefulShutdown()
            #expect(await eventually { !server.isReady })
            #expect(server.endpoints.map(\.address) == [address])
            #expect(await server.isResponsive(within: patience))
            let report = try await EchoLoad(connections: 20, bytes: 10_000).run(against: address)
            #expect(report.isComplete, "\(report)")
            #expect(try await client.exchange([2]) == [2])
            running.cancel()
            #expect(try await client.receiveToEnd().end == .finished)
            client.close()
            try await withDeadline { try await running.value }
            #expect(server.statistics.closed[.drained] == 1)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `when the delay is over it drains`(_ model: EchoServer.IOModel) async throws {
        let delay: Duration = .milliseconds(300)
        let server = try makeServer(model, delay: delay)
        let address = try #require(try server.start().first?.address)
        let client = try await TestClient(to: address)
        defer { client.close() }
        #expect(try await client.exchange([1]) == [1])
        let begin = MonotonicTime.now
        let ending = Task { await server.shutdown() }
        #expect(try await client.receiveToEnd().end == .finished)
        #expect(MonotonicTime.now - begin >= delay)
        client.close()
        try await withDeadline { await ending.value }
        #expect(server.endpoints == [])
        #expect(server.statistics.closed == [.drained: 1])
        #expect(try await EchoLoad().run(against: address).refused == 1)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a shutdown with a time ends the delay`(_ model: EchoServer.IOModel) async throws {
        for timeout in [Duration.seconds(60), .zero] {
            let server = try makeServer(model, delay: .seconds(600))
            let address = try #require(try server.start().first?.address)
            let client = try await TestClient(to: address)
            defer { client.close() }
            #expect(try await client.exchange([1]) == [1])
            let ending = Task { await server.shutdown() }
            #expect(await eventually { !server.isReady })
            #expect(try await client.exchange([2]) == [2])
            try await withDeadline {
                await server.shutdown(drainingFor: timeout)
                await ending.value
            }
            let cause: EchoServer.CloseReason = timeout == .zero ? .aborted : .drained
            #expect(server.statistics.closed == [cause: 1])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `without a time it drains for as long as is configured`(
        _ model: EchoServer.IOModel
    ) async throws {
        // No time at all resets what is open; any other ends it in good order.
        for (configured, cause) in [
            (Duration.zero, EchoServer.CloseReason.aborted), (.seconds(60), .drained),
        ] {
            for blocks in [false, true] {
                let server = try makeServer(model, drainTimeout: configured)
                let address = try #require(try server.start().first?.address)
                let client = try await TestClient(to: address)
                #expect(try await client.exchange([1]) == [1])
                if blocks {
                    try await onThread(within: patience) { server.shutdownAndWait() }
                } else {
                    try await withDeadline { await server.shutdown() }
                }
                client.close()
                #expect(server.statistics.closed == [cause: 1])
            }
        }
    }

    private func makeServer(
        _ model: EchoServer.IOModel,
        delay: Duration = .zero,
        drainTimeout: Duration = .seconds(60)
    ) throws -> EchoServer {
        var configuration = EchoServer.Configuration(model: model)
        // Not where other tests listen: a port that is closed here may be theirs a moment later.
        configuration.listen = [.tcp("127.0.6.3", port: 0)]
        configuration.shutdownDelay = delay
        configuration.drainTimeout = drainTimeout
        return try EchoServer(configuration: configuration)
    }
}
