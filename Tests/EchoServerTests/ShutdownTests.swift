import EchoServer
import EchoSockets
import EchoTestSupport
import InMemoryLogging
import Logging
import Testing

/// Who may shut down when, and that nothing stays behind; what happens to connections is in
/// `DrainTests`.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ShutdownTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `shutting down again and at the same time ends as well`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let report = try await EchoLoad(connections: 5).run(against: address)
            #expect(report.isComplete, "\(report)")
            try await withDeadline {
                await withTaskGroup { group in
                    for _ in 0..<20 { group.addTask { await server.shutdown() } }
                }
                await server.shutdown()
            }
            #expect(server.endpoints == [])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a shorter shutdown hastens a longer one`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { server, address in
            let load = try EchoLoad(connections: 3, bytes: 1 << 40).start(against: address)
            #expect(await load.reaches { $0.bytesVerified > 1_000_000 })
            let start = MonotonicTime.now
            let long = Task { await server.shutdown(drainingFor: .seconds(600)) }
            #expect(await eventually { server.endpoints.isEmpty })
            #expect(server.statistics.active == 3)
            await server.shutdown(drainingFor: .milliseconds(100))
            try await withDeadline { await long.value }
            #expect(MonotonicTime.now - start < patience)
            let report = try await load.report()
            #expect(report.firstMismatch == nil, "\(report)")
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a longer shutdown does not put off a shorter one`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let load = try EchoLoad(connections: 1, bytes: 1 << 40).start(against: address)
            #expect(await load.reaches { $0.bytesVerified > 1_000_000 })
            let start = MonotonicTime.now
            let short = Task { await server.shutdown(drainingFor: .milliseconds(200)) }
            #expect(await eventually { server.endpoints.isEmpty })
            await server.shutdown(drainingFor: .seconds(600))
            await short.value
            #expect(MonotonicTime.now - start < patience)
            load.stop()
        }
    }

    /// In a process of its own: a number that does not fit would end it.
    @Test(arguments: [1e6, 9e17, 9.3e18, 1e19])
    func `a drain may be as long as a duration can be`(_ seconds: Double) async throws {
        await #expect(processExitsWith: .success) { [seconds = seconds as Double] in
            var logger = Logger(label: "test") { _ in InMemoryLogHandler() }
            logger.logLevel = .trace
            var configuration = EchoServer.Configuration(listen: [.tcp("127.0.0.1", port: 0)])
            configuration.drainTimeout = .seconds(seconds)
            configuration.idleTimeout = .seconds(seconds)
            for timeout in [nil, Duration.seconds(seconds)] {
                let server = try EchoServer(configuration: configuration, logger: logger)
                let address = try #require(try server.start().first?.address)
                let client = try await TestClient(to: address)
                #expect(try await client.exchange([1]) == [1])
                _ = await server.isResponsive(within: .seconds(seconds))
                client.close()
                await server.shutdown(drainingFor: timeout)
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server that goes away closes everything, threads included`(
        _ model: EchoServer.IOModel
    ) async throws {
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            try await expectNothingIsLeft { try await abandon(model) }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `starts and shutdowns leave no descriptor and no thread`(
        _ model: EchoServer.IOModel
    ) async throws {
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            try await expectNothingIsLeft { try await serveBriefly(model) }
        }
    }
}

// In a process of its own: what happens many times must not add up.
private func expectNothingIsLeft(_ body: () async throws -> Void) async throws {
    let figures = ProcessFigures()
    // A few times before counting: the runtime opens and starts things of its own.
    for _ in 0..<3 { try await body() }
    var descriptors = 0
    _ = await eventually(within: .seconds(1)) {
        descriptors = figures.openDescriptorCount
        return figures.threadCount <= 4
    }
    let threads = figures.threadCount
    for _ in 0..<25 { try await body() }
    // Dispatch opens up to three descriptors when it first needs them.
    let gone = await eventually {
        figures.openDescriptorCount <= descriptors + 3 && figures.threadCount <= threads + 4
    }
    #expect(gone, "\(descriptors), \(figures.openDescriptors); \(threads), \(figures.threadCount)")
}

// Starts a server, connects, and drops it while it serves.
private func abandon(_ model: EchoServer.IOModel) async throws {
    let listen = [EchoServer.Endpoint.tcp("127.0.0.1", port: 0)]
    let client: TestClient
    do {
        let server = try EchoServer(configuration: .init(model: model, listen: listen))
        let address = try #require(try server.start().first?.address)
        client = try await TestClient(to: address)
        #expect(try await client.exchange([42]) == [42])
    }
    _ = try await client.receiveToEnd()
    client.close()
}

private func serveBriefly(_ model: EchoServer.IOModel) async throws {
    try await withServer(model) { _, address in
        let report = try await EchoLoad(connections: 3, bytes: 1000).run(against: address)
        #expect(report.isComplete, "\(report)")
    }
}
