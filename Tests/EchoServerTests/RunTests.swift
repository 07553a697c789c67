import EchoServer
import EchoSockets
import EchoTestSupport
import Logging
import ServiceLifecycle
import ServiceLifecycleTestKit
import Testing

/// `run()`: serving as a service.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct RunTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `run starts the server, and ends with its shutdown`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try makeServer(model)
        let running = Task { try await server.run() }
        try await echoOnce(server)
        await server.shutdown(drainingFor: .zero)
        try await ended(running)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `run goes on with a started server`(_ model: EchoServer.IOModel) async throws {
        let server = try makeServer(model)
        let endpoints = try server.start()
        // At once: nothing else tells that it has begun.
        let running = Task.immediate { try await server.run() }
        try await echoOnce(server)
        #expect(server.endpoints == endpoints)
        await server.shutdown(drainingFor: .zero)
        try await ended(running)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server is run once`(_ model: EchoServer.IOModel) async throws {
        let server = try makeServer(model)
        let running = Task { try await server.run() }
        try await echoOnce(server)
        let failure = await #expect(throws: EchoServer.Failure.self) { try await server.run() }
        #expect(failure?.code == .alreadyStarted)
        #expect(failure?.message == "the server is being run already")
        await server.shutdown(drainingFor: .zero)
        try await ended(running)
        let second = await #expect(throws: EchoServer.Failure.self) { try await server.run() }
        #expect(second?.code == .alreadyShutDown)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `cancelling the task drains, and run returns`(_ model: EchoServer.IOModel) async throws {
        let server = try makeServer(model)
        let running = Task { try await server.run() }
        try await echoOnce(server)
        running.cancel()
        try await ended(running)
        #expect(server.endpoints == [])
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `run in a cancelled task returns and leaves nothing open`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try makeServer(model)
        let running = Task {
            unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
            try await server.run()
        }
        try await ended(running)
        #expect(server.endpoints == [])
        #expect(throws: EchoServer.Failure.self) { try server.start() }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `graceful shutdown drains: a connection gets its bytes and our end`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try makeServer(model)
        try await testGracefulShutdown { trigger in
            let running = Task { try await server.run() }
            try await echoOnce(server)
            let client = try await TestClient(to: try #require(server.endpoints.first?.address))
            defer { client.close() }
            #expect(try await client.exchange([1, 2, 3]) == [1, 2, 3])
            trigger.triggerGracefulShutdown()
            #expect(try await client.receiveToEnd().end == .finished)
            client.close()
            try await ended(running)
            #expect(server.statistics.closed[.drained] == 1)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `it runs in a service group, and ends with it`(_ model: EchoServer.IOModel) async throws {
        let server = try makeServer(model)
        let group = ServiceGroup(
            services: [server],
            logger: Logger(label: "group") { _ in SwiftLogNoOpLogHandler() }
        )
        let running = Task { try await group.run() }
        try await echoOnce(server)
        await group.triggerGracefulShutdown()
        try await ended(running)
        #expect(server.endpoints == [])
    }

    private func makeServer(_ model: EchoServer.IOModel) throws -> EchoServer {
        let listen = [EchoServer.Endpoint.tcp("127.0.0.1", port: 0)]
        return try EchoServer(configuration: .init(model: model, listen: listen))
    }

    private func echoOnce(_ server: EchoServer) async throws {
        #expect(await eventually { !server.endpoints.isEmpty })
        let address = try #require(server.endpoints.first?.address)
        let report = try await EchoLoad().run(against: address)
        #expect(report.isComplete, "\(report)")
    }

    private func ended(_ task: Task<Void, any Error>) async throws {
        try await withDeadline { try await task.value }
    }
}
