import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization
import Testing

/// One regression test for each fault of the textbook echo servers, SB-9 to SB-13.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct TextbookConnectionFaultTests {
    // Any error that came with an FD_ACCEPT closed the listening socket.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-9: connections lost before they are accepted do not stop the listener`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            for _ in 0..<50 {
                let lost = try await TestClient(to: address)
                lost.reset()
            }
            let report = try await EchoLoad(connections: 20).run(against: address)
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, \.active, is: 0)
            #expect(server.endpoints.count == 1)
        }
    }

    // FD_CLOSE closed at once, whatever was still to be read.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-10: what arrived before the end comes back`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) {
            // Many receives for what is there together with the end.
            $0.receiveBufferSize = 512
        } _: { server, address in
            let report = try await EchoLoad(connections: 30, bytes: 60_000).run(against: address)
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, { $0.closed }, is: [.peerClosed: 30])
        }
    }

    // A failed completion was ignored and the count of the one before it echoed; the slot of a
    // receive that failed at once was never free again.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-11: after a reset nothing stale is echoed, and its place is free`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.maximumConnections = 2
            $0.whenFull = .defer
        } _: { server, address in
            let neighbour = try await TestClient(to: address)
            defer { neighbour.close() }
            #expect(try await neighbour.exchange([0]) == [0])
            for round in 0..<40 {
                let reset = try await TestClient(to: address)
                let bytes = PatternBytes(seed: UInt64(round)).bytes(count: 100 + round)
                #expect(try await reset.exchange(bytes) == bytes)
                reset.reset()
                // In the place that has become free, perhaps with the same descriptor.
                let next = try await TestClient(to: address)
                #expect(try await next.exchange([1]) == [1])
                next.shutdownSending()
                let (surplus, end) = try await next.receiveToEnd()
                #expect(surplus == [] && end == .finished)
                next.close()
            }
            #expect(try await neighbour.isSilent(for: .milliseconds(20)))
            await expectEventually(server, \.active, is: 1)
            #expect(server.statistics.closed == [.reset: 40, .peerClosed: 40])
        }
    }

    // INVALID_SOCKET was stored as a connection when accepting failed.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-12: accepting that fails makes no connection, and works again later`(
        _ model: EchoServer.IOModel
    ) async throws {
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            let gate = Gate()
            try await withServer(model) {
                $0.admission = { _ in gate.isOpen ? .accept : .defer }
            } _: { server, address in
                gate.open()
                let neighbour = try await TestClient(to: address)
                defer { neighbour.close() }
                #expect(try await neighbour.exchange([1]) == [1])
                gate.close()
                // All queued in the kernel but the first, which waits for the gate.
                var clients: [TestClient] = []
                defer { for client in clients { client.close() } }
                for number in 0..<20 {
                    let client = try await TestClient(to: address)
                    try await client.send([UInt8(number)])
                    clients.append(client)
                }
                await expectEventually(server, \.deferred, is: 1)
                let limit = try DescriptorLimit(leaving: 3)
                gate.open()
                #expect(await eventually { server.statistics.acceptFailures > 0 })
                #expect(try await clients[0].receive(1) == [0])
                #expect(server.statistics.accepted < 21)
                #expect(try await neighbour.exchange([2]) == [2])
                try limit.restore()
                for (number, client) in clients.enumerated().dropFirst() {
                    #expect(try await client.receive(1) == [UInt8(number)])
                }
                #expect(server.statistics.accepted == 21)
            }
        }
    }

    // Accepted sockets kept the listener's events until they were selected anew: what had arrived
    // before went unnoticed (AS-10).
    @Test(arguments: EchoServer.IOModel.allCases)
    func `SB-13: bytes that arrived before the connection was accepted are echoed`(
        _ model: EchoServer.IOModel
    ) async throws {
        let gate = Gate()
        try await withServer(model) {
            $0.admission = { _ in gate.isOpen ? .accept : .defer }
        } _: { server, address in
            var clients: [TestClient] = []
            defer { for client in clients { client.close() } }
            for number in 0..<70 {
                let client = try await TestClient(to: address)
                try await client.send([UInt8(number), 1])
                if number % 2 == 0 { client.shutdownSending() }
                clients.append(client)
            }
            gate.open()
            for (number, client) in clients.enumerated() {
                #expect(try await client.receive(2) == [UInt8(number), 1])
                if number % 2 == 0 {
                    #expect(try await client.receiveToEnd().end == .finished)
                }
            }
            await expectEventually(server, \.active, is: 35)
        }
    }
}

/// Closed first, then open.
private final class Gate: Sendable {
    private let state = Atomic(false)

    var isOpen: Bool { state.load(ordering: .acquiring) }
    func open() { state.store(true, ordering: .releasing) }
    func close() { state.store(false, ordering: .releasing) }
}

/// Lowers the number of descriptors this process may have; for processes of their own.
private struct DescriptorLimit {
    private let original: rlimit

    init(leaving count: Int) throws {
        let taken = ProcessFigures().openDescriptors.keys
        let free = (CInt(0)...).lazy.filter { !taken.contains($0) }
        var limit = rlimit()
        try systemCall("getrlimit") {
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        original = limit
        limit.rlim_cur = rlim_t(free.prefix(count + 1).max() ?? 0)
        try Self.set(limit)
    }

    func restore() throws {
        try Self.set(original)
    }

    private static func set(_ limit: rlimit) throws {
        var limit = limit
        try systemCall("setrlimit") {
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
    }
}
