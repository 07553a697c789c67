import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Starting while host names are looked up, which may take minutes.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct LookUpTests {
    @Test func `servers that are run look names up elsewhere than on Swift's threads`() async throws
    {
        let isAlive = try await onThread {
            // As many as would block each thread that runs tasks.
            let lookups = (0..<sysconf(CInt(_SC_NPROCESSORS_ONLN))).map { _ in HeldLookup() }
            let runs = try lookups.map { lookup in
                let server = try makeServer(.select, lookup)
                return Task { try await server.run() }
            }
            #expect(eventuallyBlocking { lookups.allSatisfy(\.isWaiting) })
            let hasRun = try Wakeup()
            Task { hasRun.signal() }
            let isAlive = isReadable(hasRun.number)
            for lookup in lookups { lookup.release() }
            for run in runs { run.cancel() }
            return isAlive
        }
        #expect(isAlive)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server answers while it is being started`(_ model: EchoServer.IOModel) async throws {
        let lookup = HeldLookup()
        let server = try makeServer(model, lookup)
        let starting = Task {
            try await onThread(within: patience * 3) { try server.start() }
        }
        #expect(await eventually { lookup.isWaiting })
        try await onThread(within: patience) {
            #expect(server.endpoints == [])
            #expect(!server.isReady)
            #expect(server.statistics.accepted == 0)
            let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
            #expect(failure?.code == .alreadyStarted)
        }
        try await withDeadline {
            #expect(await !server.isResponsive())
            let failure = await #expect(throws: EchoServer.Failure.self) { try await server.run() }
            #expect(failure?.code == .alreadyStarted)
        }
        lookup.release()
        let failure = await #expect(throws: EchoServer.Failure.self) { try await starting.value }
        #expect(failure?.code == .unknownHost)
        // It can be started again.
        let again = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(again?.code == .unknownHost)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a shutdown ends a start that waits for names, and nothing is open`(
        _ model: EchoServer.IOModel
    ) async throws {
        let lookup = HeldLookup()
        let server = try makeServer(model, lookup)
        let starting = Task {
            try await onThread(within: patience) { try server.start() }
        }
        #expect(await eventually { lookup.isWaiting })
        try await withDeadline {
            async let first: Void = server.shutdown()
            async let second: Void = server.shutdown(drainingFor: .zero)
            _ = await (first, second)
        }
        let failure = await #expect(throws: EchoServer.Failure.self) { try await starting.value }
        #expect(failure?.code == .alreadyShutDown)
        #expect(failure?.message == "the server was shut down while it was being started")
        #expect(lookup.isWaiting, "nobody waited for the name")
        lookup.release()
        #expect(server.endpoints == [])
        let again = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(again?.code == .alreadyShutDown)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `cancelling a run that waits for names ends it`(
        _ model: EchoServer.IOModel
    ) async throws {
        let lookup = HeldLookup()
        let server = try makeServer(model, lookup)
        let running = Task { try await server.run() }
        #expect(await eventually { lookup.isWaiting })
        running.cancel()
        try await withDeadline { try await running.value }
        #expect(lookup.isWaiting)
        lookup.release()
        #expect(server.endpoints == [])
    }

    @Test func `a run whose host does not exist says so`() async throws {
        let lookup = HeldLookup()
        let server = try makeServer(.completionPort, lookup)
        lookup.release()
        let failure = await #expect(throws: EchoServer.Failure.self) { try await server.run() }
        #expect(failure?.code == .unknownHost)
        #expect(failure?.message.hasPrefix("cannot listen on \(lookup.host):0: ") == true)
    }

    private func makeServer(
        _ model: EchoServer.IOModel,
        _ lookup: HeldLookup
    ) throws -> EchoServer {
        // The first endpoint could be listened on.
        let listen: [EchoServer.Endpoint] = [
            .tcp("127.0.0.1", port: 0), .tcp(lookup.host, port: 0),
        ]
        return try EchoServer(configuration: .init(model: model, listen: listen))
    }
}
