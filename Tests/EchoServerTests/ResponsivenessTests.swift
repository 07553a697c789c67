import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Whether every loop of a server turns.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ResponsivenessTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server that serves nobody, many idle clients or busy ones is responsive`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            #expect(await server.isResponsive(within: patience))
            var idle = EchoLoad(connections: 150, bytes: 100)
            idle.staysOpen = true
            let held = try idle.start(against: address)
            #expect(await held.reaches { $0.held == 150 })
            #expect(await server.isResponsive(within: patience))
            // Never without something to do.
            let busy = try EchoLoad(connections: 8, bytes: 1 << 40).start(against: address)
            #expect(await busy.reaches { $0.bytesVerified > 1 << 20 })
            for _ in 0..<10 { #expect(await server.isResponsive(within: patience)) }
            busy.stop()
            held.stop()
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server of which one loop hangs is not`(_ model: EchoServer.IOModel) async throws {
        let gate = Gate()
        let hangs = { @Sendable (configuration: inout EchoServer.Configuration) in
            configuration.workers = 2
            configuration.admission = { _ in
                gate.pass()
                return .accept
            }
        }
        try await withServer(model, hangs) { server, address in
            #expect(await server.isResponsive(within: patience))
            gate.close()
            let client = try await TestClient(to: address)
            #expect(await eventually { gate.holds })
            #expect(await !server.isResponsive(within: .milliseconds(300)))
            // More often than questions are kept.
            for _ in 0..<300 { #expect(await !server.isResponsive(within: .milliseconds(1))) }
            gate.open()
            #expect(await server.isResponsive(within: patience))
            #expect(try await client.exchange([1, 2]) == [1, 2])
            client.close()
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `it is while it drains, and not before and after`(
        _ model: EchoServer.IOModel
    ) async throws {
        let listen = [EchoServer.Endpoint.tcp("127.0.0.1", port: 0)]
        let server = try EchoServer(configuration: .init(model: model, listen: listen))
        #expect(await !server.isResponsive())
        let address = try #require(try server.start().first?.address)
        let load = try EchoLoad(connections: 3, bytes: 1 << 40).start(against: address)
        #expect(await load.reaches { $0.bytesVerified > 100_000 })
        let ending = Task { await server.shutdown(drainingFor: .seconds(60)) }
        #expect(await eventually { server.endpoints.isEmpty })
        for _ in 0..<5 { #expect(await server.isResponsive(within: patience)) }
        load.stop()
        await ending.value
        #expect(await !server.isResponsive())
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `asking while it ends is answered`(_ model: EchoServer.IOModel) async throws {
        for _ in 0..<5 {
            let listen = [EchoServer.Endpoint.tcp("127.0.0.1", port: 0)]
            let server = try EchoServer(configuration: .init(model: model, listen: listen))
            try server.start()
            async let ended: Void = server.shutdown(drainingFor: .milliseconds(20))
            while await server.isResponsive(within: .seconds(20)) {}
            await ended
            #expect(server.endpoints == [])
        }
    }
}

/// What holds up the threads that come to it.
private final class Gate: Sendable {
    private let state = Locked((isClosed: false, waiting: 0))
    private let opened: Wakeup? = try? Wakeup()

    /// Whether a thread is held up.
    var holds: Bool { state.withLock { $0.waiting > 0 } }

    func close() {
        state.withLock { $0.isClosed = true }
    }

    func open() {
        state.withLock { $0.isClosed = false }
        opened?.signal()
    }

    func pass() {
        let waits = state.withLock { state in
            if state.isClosed { state.waiting += 1 }
            return state.isClosed
        }
        guard waits, let opened else { return }
        _ = isReadable(opened.number)
        state.withLock { $0.waiting -= 1 }
    }
}
