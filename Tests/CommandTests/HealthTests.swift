import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Logging
import Testing

@testable import echo

/// `/healthz` and `/readyz` while clients are not served.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct HealthTests {
    // It used to say 200 while no client was served.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server of which a loop hangs is neither well nor ready, and its metrics are there`(
        _ model: EchoServer.IOModel
    ) async throws {
        let gate = try Wakeup()
        let isHanging = Locked(false)
        let server = try Self.server(model) { _ in
            isHanging.withLock { $0 = true }
            _ = isReadable(gate.number)
            return .accept
        }
        let metrics = try Self.metrics(of: server)
        defer { metrics.stop() }
        let monitor = try #require(metrics.addresses.first)
        #expect(try await HTTPExchange("/readyz", with: monitor).status == 503)
        #expect(try await HTTPExchange("/healthz", with: monitor).status == 200)
        let endpoint = try #require(try server.start().first)
        let address = try #require(try Endpoint(parsing: "\(endpoint)").resolve().first)
        // The machine may be too busy for an answer in time.
        for path in ["/healthz", "/readyz"] {
            await expectStatus(200, of: path, from: monitor)
        }
        let client = try await TestClient(to: address)
        defer { client.close() }
        #expect(await eventually { isHanging.withLock { $0 } })
        for path in ["/healthz", "/readyz"] {
            let answer = try await HTTPExchange(path, with: monitor)
            #expect(answer.status == 503)
            #expect(answer.body == "a serving loop does not respond\n")
        }
        // Many at once, which must not queue for one another.
        try await withThrowingTaskGroup(of: Int?.self) { group in
            for _ in 0..<40 {
                group.addTask {
                    try await HTTPExchange("/healthz", with: monitor).status
                }
            }
            let counts = await eventually {
                (try? await HTTPExchange("/metrics", with: monitor))?.status == 200
            }
            #expect(counts)
            for try await status in group { #expect(status == 503) }
        }
        gate.signal()
        #expect(try await client.exchange([1, 2]) == [1, 2])
        for path in ["/healthz", "/readyz"] {
            await expectStatus(200, of: path, from: monitor)
        }
        await server.shutdown(drainingFor: .zero)
    }

    @Test func `300 clients that drip headers do not keep it away`() async throws {
        let server = try Self.server(.completionPort) { _ in .accept }
        let metrics = try Self.metrics(of: server)
        defer { metrics.stop() }
        let monitor = try #require(metrics.addresses.first)
        var slow: [TestClient] = []
        defer { for client in slow { client.close() } }
        for _ in 0..<300 {
            let client = try await TestClient(to: monitor)
            try await client.send(Array("GET /healthz HTTP/1.1\r\nX: ".utf8))
            slow.append(client)
        }
        for _ in 0..<10 {
            await expectHealthSoon(from: monitor)
            for client in slow { try? await client.send(Array("a".utf8)) }
        }
    }

    // Again where the machine has held up the request, or a loop, for longer than there is time.
    private func expectHealthSoon(from monitor: SocketAddress) async {
        for attempt in 1...5 {
            let start = MonotonicTime.now
            let status = (try? await HTTPExchange("/healthz", with: monitor))?.status
            let span = MonotonicTime.now - start
            if status == 200, span < .seconds(4) { return }
            #expect(attempt < 5, "\(status ?? 0) after \(span)")
        }
    }

    private static func server(
        _ model: EchoServer.IOModel,
        _ admission:
            @escaping @Sendable (EchoServer.AdmissionRequest) -> EchoServer.AdmissionDecision
    ) throws -> EchoServer {
        var configuration = EchoServer.Configuration()
        configuration.model = model
        configuration.listen = [.tcp("127.0.0.1", port: 0)]
        configuration.workers = 2
        configuration.admission = admission
        return try EchoServer(configuration: configuration)
    }

    private static func metrics(of server: EchoServer) throws -> MetricsServer {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return try MetricsServer(server, on: .tcp("127.0.0.1", port: 0), logger: logger)
    }
}
