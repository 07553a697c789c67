// The code of the documents: each block of Swift stands here between two marks, so that it is
// compiled with the tests, and is run by them. `ExampleTests` compares the two.

import CoreMetrics
import EchoClient
import EchoProactor
import EchoServer
import Logging
import ServiceLifecycle
import UnixSignals

enum Examples {
    static func landing() async throws {
        // example
        let server = try EchoServer(configuration: .init(listen: [.tcp("127.0.0.1", port: 0)]))
        for endpoint in try server.start() { print("listening on \(endpoint)") }
        await server.shutdown(drainingFor: .seconds(5))
        // end
    }

    static func embedding() async throws {
        // example
        let configuration = EchoServer.Configuration(
            listen: [.tcp("127.0.0.1", port: 0)],
            maximumConnections: 1000,
            idleTimeout: .seconds(60)
        )
        let server = try EchoServer(configuration: configuration)
        for endpoint in try server.start() { print("listening on \(endpoint)") }
        // … the rest of the program …
        await server.shutdown(drainingFor: .seconds(5))
        print("served", server.statistics.accepted, "clients")
        // end
    }

    static func client(_ text: String) async throws {
        // example
        let endpoint = try EchoEndpoint(parsing: text)
        let connection = try await EchoConnection.open(endpoint)
        let roundTrip = try await connection.echo("hello".utf8)
        let report = try await EchoCheck(endpoint).run()
        print("the echo took \(roundTrip)", report.passed ? "and all checks passed" : "")
        // end
    }

    static func serviceGroup(_ configuration: EchoServer.Configuration) async throws {
        // example
        let logger = Logger(label: "my-service")
        let echo = try EchoServer(configuration: configuration, logger: logger)
        let group = ServiceGroup(
            services: [echo],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
        // end
    }

    static func serviceGroup(
        _ configuration: EchoServer.Configuration,
        beside other: any Service
    ) async throws {
        // example
        let logger = Logger(label: "my-service")
        let echo = try EchoServer(configuration: configuration, logger: logger)
        for endpoint in try echo.start() { print("listening on \(endpoint)") }
        let group = ServiceGroup(
            services: [other, echo],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
        // end
    }

    static func metrics(
        _ configuration: EchoServer.Configuration,
        _ backend: any MetricsFactory
    ) throws -> EchoServer {
        // example
        let server = try EchoServer(configuration: configuration, metricsFactory: backend)
        // end
        return server
    }

    static func acceptCondition() throws -> EchoServer {
        // example
        var guarded = EchoServer.Configuration(listen: [.tcp("127.0.0.1", port: 0)])
        guarded.admission = { request in
            request.activeConnectionsOfPeer < 10 ? .accept : .reject
        }
        let server = try EchoServer(configuration: guarded)
        // end
        return server
    }

    static func inheritedSockets() async throws {
        // example
        var configuration = EchoServer.Configuration()
        configuration.inherited = try EchoServer.InheritedSocket.takeFromEnvironment()
        if !configuration.inherited.isEmpty { configuration.listen = [] }
        let server = try EchoServer(configuration: configuration)
        try server.start()
        if await server.isResponsive(within: .seconds(1)) { print("every loop turns") }
        await server.shutdown(drainingFor: .seconds(5))
        // end
    }

    static func failure(_ configuration: EchoServer.Configuration) throws {
        // example
        do {
            let server = try EchoServer(configuration: configuration)
            try server.start()
        } catch let failure where failure.code == .addressInUse {
            print(failure.message)
        }
        // end
    }

    static func withoutTasks(_ configuration: EchoServer.Configuration) {
        // example
        do {
            let server = try EchoServer(configuration: configuration)
            for endpoint in try server.start() {
                switch endpoint {
                case .tcp(let host, let port): print("TCP port \(port) of \(host)")
                case .udp(let host, let port): print("UDP port \(port) of \(host)")
                case .unix(let path): print("the Unix socket \(path)")
                @unknown default: print("\(endpoint)")
                }
            }
            server.shutdownAndWait()
        } catch {
            print("cannot serve (\(error.code)): \(error.message)")
        }
        // end
    }

    private static func kept(_ rest: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        unsafe rest
    }

    static func completionPort() throws {
        // example
        let port = try CompletionPort(concurrency: 2)
        let pool = try WorkerPool(name: "echo", count: 2) { _ in
            let worker = CompletionPort.Worker(of: port)
            while true {
                switch worker.dequeue() {
                case .success(let packet) where packet.isEndOfStream:
                    port.close(packet.socket)
                case .success(let packet) where packet.kind == .receive:
                    // The worker's buffer is used again: what is left must lie elsewhere.
                    let submission = unsafe port.send(
                        packet.bytes,
                        on: packet.socket,
                        keeping: kept
                    )
                    // Done without a packet: the socket skips those. Otherwise one will come.
                    if case .completed = submission { port.receive(on: packet.socket) }
                case .success(let packet) where packet.kind == .send:
                    port.receive(on: packet.socket)
                case .success, .timedOut:
                    continue
                case .failure(let packet):
                    port.close(packet.socket)
                case .abandoned:
                    return
                }
            }
        }
        pool.wait()
        // end
    }
}
