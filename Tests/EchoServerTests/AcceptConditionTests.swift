import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// The accept condition, SEL-9 to SEL-12.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct AcceptConditionTests {
    /// A condition whose answers a test chooses, and which notes what it was asked.
    final class Condition: Sendable {
        let requests = Locked<[EchoServer.AdmissionRequest]>([])
        let answer = Locked<
            @Sendable (EchoServer.AdmissionRequest) -> EchoServer.AdmissionDecision
        >(
            { _ in .accept }
        )

        func decide(_ request: EchoServer.AdmissionRequest) -> EchoServer.AdmissionDecision {
            requests.withLock { $0.append(request) }
            return answer.withLock { $0 }(request)
        }

        func answer(
            _ answer:
                @escaping @Sendable (EchoServer.AdmissionRequest) ->
                EchoServer
                .AdmissionDecision
        ) {
            self.answer.withLock { $0 = answer }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `the condition is told who connects where, and the counts`(
        _ model: EchoServer.IOModel
    ) async throws {
        let condition = Condition()
        try await withServer(model) {
            $0.admission = condition.decide
        } _: { server, address in
            let first = try await TestClient(to: address)
            let second = try await TestClient(to: address)
            let other = try await TestClient(to: address, from: .ipv4(0x7F00_0002, port: 0))
            defer { for client in [first, second, other] { client.close() } }
            for client in [first, second, other] { #expect(try await client.exchange([1]) == [1]) }
            let requests = condition.requests.withLock { $0 }
            #expect(
                requests.map(\.local)
                    == [EchoServer.Endpoint](repeating: server.endpoints[0], count: 3)
            )
            #expect(requests.map(\.peer.address) == [first, second, other].map(\.localAddress))
            #expect(requests.map(\.activeConnections) == [0, 1, 2])
            #expect(requests.map(\.activeConnectionsOfPeer) == [0, 1, 0])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SEL-9: a rejected connection is reset, the next one is served`(
        _ model: EchoServer.IOModel
    ) async throws {
        let condition = Condition()
        condition.answer { _ in .reject }
        try await withServer(model) {
            $0.admission = condition.decide
        } _: { server, address in
            let rejected = try await TestClient(to: address)
            defer { rejected.close() }
            let (bytes, end) = try await rejected.receiveToEnd()
            #expect(bytes == [])
            #expect(end == .reset)
            condition.answer { _ in .accept }
            let report = try await EchoLoad().run(against: address)
            #expect(report.isComplete, "\(report)")
            #expect(server.statistics.rejected == [.condition: 1])
            #expect(server.statistics.accepted == 1)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SEL-10: a deferred connection keeps its place before later ones`(
        _ model: EchoServer.IOModel
    ) async throws {
        let condition = Condition()
        try await withServer(model) {
            $0.admission = condition.decide
        } _: { server, address in
            let deferred = try await TestClient(to: address)
            defer { deferred.close() }
            #expect(try await deferred.exchange([0]) == [0])
            condition.answer { _ in .defer }
            let first = try await TestClient(to: address)
            let second = try await TestClient(to: address)
            defer { for client in [first, second] { client.close() } }
            try await first.send([1])
            try await second.send([2])
            await expectEventually(server, \.deferred, is: 1)
            #expect(try await second.isSilent(for: .milliseconds(300)))
            let asked = Set(condition.requests.withLock { $0.dropFirst().map(\.peer.address) })
            #expect(asked == [first.localAddress], "only the first in line is asked about")
            condition.answer { _ in .accept }
            #expect(try await first.receive(1) == [1])
            #expect(try await second.receive(1) == [2])
            #expect(server.statistics.deferred == 1)
            #expect(server.statistics.accepted == 3)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `SEL-12: a deferred connection is asked about again when one ends`(
        _ model: EchoServer.IOModel
    ) async throws {
        let condition = Condition()
        try await withServer(model) {
            $0.admission = condition.decide
        } _: { server, address in
            condition.answer { $0.activeConnections == 0 ? .accept : .defer }
            // Asking ten times a second would take about two seconds each time; so may a machine
            // that is busy with something else, but not every time.
            var rounds: UInt64 = 0
            let isAsked = try await eventually {
                rounds += 1
                return try await Self.serveLine(of: 20, at: address) < .milliseconds(1500)
            }
            #expect(isAsked)
            #expect(server.statistics.accepted == 20 * rounds)
        }
    }

    // Clients that queue up, each served when the one before it has gone: how long that takes.
    private static func serveLine(of count: Int, at address: SocketAddress) async throws -> Duration
    {
        var line: [TestClient] = []
        defer { for client in line { client.close() } }
        for number in 0..<count {
            let client = try await TestClient(to: address)
            try await client.send([UInt8(number)])
            line.append(client)
        }
        let start = MonotonicTime.now
        for (number, client) in line.enumerated() {
            #expect(try await client.receive(1) == [UInt8(number)])
            client.close()
        }
        return .now - start
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a deferred peer that resets does not hold up the rest`(
        _ model: EchoServer.IOModel
    ) async throws {
        let condition = Condition()
        try await withServer(model) {
            $0.admission = condition.decide
        } _: { server, address in
            let refused = Locked<SocketAddress?>(nil)
            condition.answer { request in
                let first = request.peer.address
                return refused.withLock { refused in
                    if refused == nil { refused = first }
                    return refused == first ? .defer : .accept
                }
            }
            let unwanted = try await TestClient(to: address)
            try await unwanted.send([0])
            await expectEventually(server, \.deferred, is: 1)
            let next = try await TestClient(to: address)
            defer { next.close() }
            try await next.send([1])
            unwanted.reset()
            #expect(try await next.receive(1) == [1])
            #expect(server.statistics.accepted == 1)
        }
    }

    // The other workers of a completion port used to spin until it had answered, once something
    // was due by the clock, and the time it took counted as idle time of the connection.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a condition that takes long uses no processor time and no idle time`(
        _ model: EchoServer.IOModel
    ) async throws {
        await #expect(processExitsWith: .success) { [model = model as EchoServer.IOModel] in
            let count = Locked(0)
            let asked = Completion<Void>()
            let answer = try Wakeup()
            try await withServer(model) {
                $0.workers = 2
                $0.idleTimeout = .seconds(3)
                $0.admission = { _ in
                    let number = count.withLock { count in
                        count += 1
                        return count
                    }
                    guard number > 1 else { return .accept }
                    asked.complete(())
                    answer.wait(atMost: patience)
                    return .accept
                }
            } _: { _, address in
                let first = try await TestClient(to: address)
                #expect(try await first.exchange([0]) == [0])
                let second = try await TestClient(to: address)
                defer { for client in [first, second] { client.close() } }
                await asked.value
                // The first connection's time is over.
                #expect(try await second.isSilent(for: .milliseconds(3500)))
                let before = ProcessFigures().cpuTime
                #expect(try await second.isSilent(for: .seconds(1)))
                let used = ProcessFigures().cpuTime - before
                #expect(used < .milliseconds(100), "\(used)")
                answer.signal()
                // The second has been waiting for longer than it may, but not for its client.
                #expect(try await second.isSilent(for: .milliseconds(300)))
                #expect(try await second.exchange([1]) == [1])
            }
        }
    }
}
