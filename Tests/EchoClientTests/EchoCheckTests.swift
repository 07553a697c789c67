import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// The library's check: what a run reports, and how it ends.
@Suite(.timeLimit(.minutes(5)))
struct EchoCheckTests {
    private func check(
        _ server: ThreadedEchoServer,
        _ checks: [EchoCheck.Check] = EchoCheck.streamChecks
    ) -> EchoCheck {
        var check = EchoCheck(EchoEndpoint(server.endpoint))
        check.checks = checks
        check.size = EchoCheck.sizes.lowerBound
        check.connections = 10
        check.deadline = .seconds(60)
        return check
    }

    private final class Told: Sendable {
        let results = Locked<[EchoCheck.Result]>([])

        func note(_ result: EchoCheck.Result) {
            results.withLock { $0.append(result) }
        }
    }

    @Test func `a right server passes, and each result is told as well`() async throws {
        let server = try ThreadedEchoServer()
        let told = Told()
        let report = try await check(server).run { told.note($0) }
        #expect(report.passed && report.isComplete, "\(report)")
        #expect(report.results.map(\.check) == EchoCheck.streamChecks)
        #expect(report.results == told.results.withLock { $0 })
        #expect(report.address == "\(server.address)")
        #expect(report.results.map(\.duration).reduce(.zero, +) <= report.duration)
        #expect(report.results.allSatisfy { $0.fault == nil && !$0.evidence.isEmpty })
    }

    @Test func `a wrong server fails, and the other checks go on`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 200))
        let report = try await check(server, [.allBytes, .oneByte]).run()
        #expect(!report.passed && report.isComplete)
        #expect(report.results.map(\.outcome) == [.failed, .passed], "\(report)")
        #expect(report.results.map(\.fault) == [.wrong, nil])
        let evidence = "the connection received byte 201 instead of 200 at offset 200"
        #expect(report.results.first?.evidence == evidence)
    }

    @Test func `checks run in the order in which they are named`() async throws {
        let server = try ThreadedEchoServer()
        let report = try await check(server, [.urgent, .empty]).run()
        #expect(report.results.map(\.check) == [.urgent, .empty])
    }

    @Test func `cancelling gives up the check that runs, and reports those before it`()
        async throws
    {
        let server = try ThreadedEchoServer(.swallows)
        var check = check(server, [.empty, .oneByte, .allBytes])
        check.deadline = .seconds(3600)
        let told = Told()
        let task = Task { [check] in try await check.run { told.note($0) } }
        let began = await eventually { told.results.withLock { $0.count } == 1 }
        #expect(began)
        task.cancel()
        let report = try await withDeadline { try await task.value }
        #expect(report.results.map(\.check) == [.empty])
        #expect(!report.isComplete && !report.passed)
        #expect(report.address == "\(server.address)")
    }

    @Test func `cancelling ends the pause between two checks`() async throws {
        let server = try ThreadedEchoServer()
        var check = check(server, [.empty, .oneByte])
        check.pause = .seconds(3600)
        let told = Told()
        let task = Task { [check] in try await check.run { told.note($0) } }
        let began = await eventually { told.results.withLock { $0.count } == 1 }
        #expect(began)
        task.cancel()
        let report = try await withDeadline { try await task.value }
        #expect(report.results.map(\.outcome) == [.passed] && !report.passed)
    }

    @Test func `cancelling ends the look-up of a name and the wait for a connection`()
        async throws
    {
        let lookup = HeldLookup()
        let task = Task { try await EchoCheck(.tcp(lookup.host, port: 7)).run() }
        let isWaiting = await eventually { lookup.isWaiting }
        #expect(isWaiting)
        task.cancel()
        let report = try await withDeadline { try await task.value }
        #expect(report.address == nil && report.results.isEmpty && !report.passed)

        let full = try FullQueue()
        var check = EchoCheck(full.endpoint)
        check.connectTimeout = .seconds(3600)
        let waiting = Task { [check] in try await check.run() }
        waiting.cancel()
        let nothing = try await withDeadline { try await waiting.value }
        #expect(nothing.address == nil && !nothing.isComplete)
    }

    /// A Unix socket with no room in its queue.
    private final class FullQueue: Sendable {
        let endpoint: EchoEndpoint
        private let listener: Listener
        private let filler: Socket

        init() throws {
            let name = "\0check-\(UInt64.random(in: 0 ... .max))"
            endpoint = .unix(name)
            listener = try Listener(.unix(name), backlog: 0)
            filler = try Socket(family: AF_UNIX)
            _ = try filler.connect(to: listener.address)
        }
    }

    @Test func `no connection is a failure that names the endpoint`() async throws {
        let closed = try Listener(.loopback(port: 0)).address
        let full = try FullQueue()
        let cases: [(EchoEndpoint, EchoCheck.Failure.Code, String)] = [
            (.tcp("127.0.0.1", port: closed.port ?? 0), .refused, "Connection refused"),
            (.unix("/no/such/socket"), .refused, "No such file or directory"),
            (.tcp("no-such-host.invalid", port: 7), .unknownHost, ""),
            (full.endpoint, .timedOut, "no answer in time"),
        ]
        for (endpoint, code, reason) in cases {
            var check = EchoCheck(endpoint)
            check.connectTimeout = .seconds(2)
            let error = await #expect(throws: EchoCheck.Failure.self) { try await check.run() }
            #expect(error?.code == code, "\(endpoint)")
            let text = error?.description ?? ""
            #expect(text.hasPrefix("cannot connect to \(endpoint): ") && text.hasSuffix(reason))
        }
    }

    @Test func `a name stands for the first of its addresses that answers`() async throws {
        let server = try ThreadedEchoServer(on: .loopback6(port: 0))
        let endpoint = EchoEndpoint.tcp("localhost", port: server.address.port ?? 0)
        var check = EchoCheck(endpoint)
        check.checks = [.oneByte]
        let report = try await check.run()
        #expect(report.address == "\(server.address)" && report.passed)
    }

    @Test func `what contradicts the documentation is refused`() async throws {
        let good = EchoCheck(.tcp("localhost", port: 7))
        for change in [
            { $0.checks = [] }, { $0.deadline = .zero }, { $0.size = 65_535 },
            { $0.size = 1 << 30 + 1 }, { $0.connections = 1 }, { $0.connections = 1001 },
            { $0.pause = .seconds(-1) }, { $0.connectTimeout = .zero },
            { $0.deadline = .seconds(876_001 * 3600) }, { $0.runNumber = 512 },
        ] as [(inout EchoCheck) -> Void] {
            var check = good
            change(&check)
            let error = await #expect(throws: EchoCheck.Failure.self) { try await check.run() }
            #expect(error?.code == .invalidConfiguration, "\(check)")
        }
    }

    @Test func `the gentle checks may still be changed`() {
        var gentle = EchoCheck.gentle(.tcp("localhost", port: 7))
        #expect(!gentle.checks.contains(.resets))
        #expect(gentle.connections == 4 && gentle.size == 64 * 1024)
        #expect(gentle.pause == .seconds(1))
        gentle.checks = [.resets]
        #expect(gentle.checks == [.resets])
    }

    @Test func `a run leaves neither descriptors nor threads behind`() async throws {
        await #expect(processExitsWith: .success) {
            let server = try ThreadedEchoServer(.swallows)
            var check = EchoCheck(EchoEndpoint(server.endpoint))
            check.checks = [.interleaved]
            check.connections = 9
            check.deadline = .seconds(3600)
            let before = ProcessFigures().openSocketsAndPipes
            let task = Task { [check] in try await check.run() }
            let opened = await eventually {
                ProcessFigures().openSocketsAndPipes.count >= before.count + 18
            }
            try #require(opened)
            task.cancel()
            _ = try await task.value
            let closed = await eventually {
                ProcessFigures().openSocketsAndPipes.isSubset(of: before)
            }
            #expect(closed, "\(ProcessFigures().openDescriptors)")
        }
    }
}
