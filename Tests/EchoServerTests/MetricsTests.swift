import CoreMetrics
import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// What a metrics backend is told.
@Suite(.timeLimit(.minutes(5)))
struct MetricsTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a backend is told what the statistics say`(_ model: EchoServer.IOModel) async throws {
        let backend = RecordingMetrics()
        let server = try Self.server(model, backend) { $0.maximumConnectionsPerPeer = 3 }
        let address = try #require(try server.start().first?.address)
        let report = try await EchoLoad(connections: 3, bytes: 50_000).run(against: address)
        #expect(report.isComplete, "\(report)")
        await expectEventually(server, \.active, is: 0)
        var held: [TestClient] = []
        for _ in 0..<3 { held.append(try await TestClient(to: address)) }
        for client in held { #expect(try await client.exchange([1]) == [1]) }
        let rejected = try await TestClient(to: address)
        #expect(try await rejected.receiveToEnd().end == .reset)
        let expected: [String: Double] = [
            "echo_connections_accepted_total": 6, "echo_connections_active": 3,
            "echo_connections_rejected_total reason=peer-limit": 1,
            "echo_connections_closed_total cause=peer-closed": 3,
            "echo_bytes_received_total": 150_003, "echo_bytes_sent_total": 150_003,
        ]
        for (name, value) in expected {
            #expect(await eventually { backend.value(name) == value }, "\(name)")
        }
        for client in held { client.close() }
        await server.shutdown(drainingFor: .zero)
        // Told at the end, whenever it was told last.
        #expect(backend.value("echo_connections_active") == 0)
        for metric in EchoServer.Metric.allCases where metric.dimension == nil {
            #expect(backend.value(metric.rawValue) != nil, "\(metric)")
        }
        for reason in EchoServer.RejectionReason.allCases {
            let count = Double(server.statistics.rejected[reason] ?? 0)
            let name = "echo_connections_rejected_total reason=\(reason.rawValue)"
            #expect(backend.value(name) == count)
        }
        let closed = EchoServer.CloseReason.allCases.compactMap {
            backend.value("echo_connections_closed_total cause=\($0.rawValue)")
        }
        #expect(closed.count == EchoServer.CloseReason.allCases.count)
        #expect(closed.reduce(0, +) == Double(server.statistics.closedTotal))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a connection that stays is told about while it echoes, also after a rest`(
        _ model: EchoServer.IOModel
    ) async throws {
        let backend = RecordingMetrics()
        let server = try Self.server(model, backend)
        let address = try #require(try server.start().first?.address)
        let client = try await TestClient(to: address)
        defer { client.close() }
        for round in 1...2 {
            #expect(try await client.exchange([1, 2, 3, 4]) == [1, 2, 3, 4])
            let told = await eventually {
                backend.value("echo_bytes_sent_total") == Double(4 * round)
            }
            #expect(told, "\(round)")
            // Long enough for the reporter to go to sleep.
            if round == 1 { #expect(try await client.isSilent(for: .milliseconds(2500))) }
        }
        await server.shutdown(drainingFor: .zero)
    }

    @Test func `idle connections cost a backend nothing`() async throws {
        let backend = RecordingMetrics()
        let server = try Self.server(.completionPort, backend)
        let address = try #require(try server.start().first?.address)
        let client = try await TestClient(to: address)
        defer { client.close() }
        #expect(try await client.exchange([1]) == [1])
        #expect(await eventually { backend.value("echo_bytes_sent_total") == 1 })
        #expect(try await client.isSilent(for: .seconds(3)))
        let calls = backend.calls
        #expect(try await client.isSilent(for: .seconds(2)))
        #expect(backend.calls == calls)
        await server.shutdown(drainingFor: .zero)
    }

    @Test func `a backend that hangs does not keep a server from ending`() async throws {
        let release = Latch()
        let backend = RecordingMetrics { release.wait() }
        let server = try Self.server(.select, backend)
        let address = try #require(try server.start().first?.address)
        let client = try await TestClient(to: address)
        #expect(try await client.exchange([1]) == [1])
        client.close()
        try await withDeadline { await server.shutdown(drainingFor: .seconds(5)) }
        #expect(server.statistics.closedTotal == 1)
        release.open()
    }

    @Test func `servers that share a backend add up`() async throws {
        let backend = RecordingMetrics()
        let servers = try [EchoServer.IOModel.select, .completionPort].map {
            try Self.server($0, backend)
        }
        var clients: [TestClient] = []
        for server in servers {
            let address = try #require(try server.start().first?.address)
            clients.append(try await TestClient(to: address))
        }
        #expect(await eventually { backend.value("echo_connections_active") == 2 })
        for client in clients { client.close() }
        for server in servers { await server.shutdown(drainingFor: .seconds(5)) }
        #expect(backend.value("echo_connections_active") == 0)
        #expect(backend.value("echo_connections_accepted_total") == 2)
    }

    @Test func `a server that could not start and one that is dropped leave no reporter`()
        async throws
    {
        await #expect(processExitsWith: .success) {
            let figures = ProcessFigures()
            let (threads, descriptors) = (figures.threadCount, figures.openDescriptorCount)
            let backend = RecordingMetrics()
            for _ in 0..<20 {
                let server = try EchoServer(
                    configuration: .init(model: .select, listen: [.tcp("192.0.2.1", port: 0)]),
                    metricsFactory: backend
                )
                #expect(throws: EchoServer.Failure.self) { try server.start() }
                let dropped = try EchoServer(
                    configuration: .init(model: .select, listen: [.tcp("127.0.0.1", port: 0)]),
                    metricsFactory: backend
                )
                try dropped.start()
            }
            // The test's own come and go.
            #expect(await eventually { figures.openDescriptorCount < descriptors + 10 })
            #expect(await eventually { figures.threadCount < threads + 10 })
        }
    }

    private static func server(
        _ model: EchoServer.IOModel,
        _ backend: RecordingMetrics,
        _ configure: (inout EchoServer.Configuration) -> Void = { _ in }
    ) throws -> EchoServer {
        var configuration = EchoServer.Configuration(
            model: model,
            listen: [.tcp("127.0.0.1", port: 0)]
        )
        configure(&configuration)
        return try EchoServer(configuration: configuration, metricsFactory: backend)
    }
}

/// A metrics backend that remembers, by name and dimensions.
private final class RecordingMetrics: MetricsFactory {
    private struct Contents {
        var values: [String: Double] = [:]
        var calls = 0
    }

    private let contents = Locked(Contents())
    private let whenTold: @Sendable () -> Void

    /// A backend.
    ///
    /// - Parameter whenTold: called before anything is noted.
    init(whenTold: @escaping @Sendable () -> Void = {}) {
        self.whenTold = whenTold
    }

    /// The sum under a name, with its dimensions after it; `nil` if it was never made.
    func value(_ name: String) -> Double? { contents.withLock { $0.values[name] } }

    /// How often anything was told.
    var calls: Int { contents.withLock { $0.calls } }

    fileprivate func add(_ amount: Double, to name: String) {
        whenTold()
        contents.withLock { contents in
            contents.values[name, default: 0] += amount
            contents.calls += 1
        }
    }

    private static func name(_ label: String, _ dimensions: [(String, String)]) -> String {
        ([label] + dimensions.map { "\($0)=\($1)" }).joined(separator: " ")
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        Handler(backend: self, name: Self.name(label, dimensions))
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        Handler(backend: self, name: Self.name(label, dimensions))
    }

    func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        NOOPMetricsHandler.instance
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        NOOPMetricsHandler.instance
    }

    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    private final class Handler: CounterHandler, MeterHandler {
        let backend: RecordingMetrics
        let name: String

        init(backend: RecordingMetrics, name: String) {
            self.backend = backend
            self.name = name
        }

        func increment(by amount: Int64) { backend.add(Double(amount), to: name) }
        func increment(by amount: Double) { backend.add(amount, to: name) }
        func decrement(by amount: Double) { backend.add(-amount, to: name) }
        func set(_ value: Int64) {}
        func set(_ value: Double) {}
        func reset() {}
    }
}
