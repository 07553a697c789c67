import EchoClient
import EchoSockets
import EchoTestSupport
import Testing

/// What checks say of a server that does not answer, or is not there.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ConformanceFailureTests {
    @Test func `a server that never answers fails in bounded time`() async throws {
        let server = try ThreadedEchoServer(with: .swallows)
        var check = smallCheck(server.endpoint, EchoCheck.streamChecks)
        check.deadline = .milliseconds(300)
        let report = try await withDeadline(.seconds(120)) { [check] in try await check.run() }
        let passed = report.results.filter { $0.outcome == .passed }.map(\.check)
        #expect(report.results.count == EchoCheck.streamChecks.count)
        #expect(passed.allSatisfy { $0 == .empty }, "\(report)")
    }

    @Test func `a server that goes away fails every check`() async throws {
        let report = try await onThread {
            var listener: Listener? = try Listener(.loopback(port: 0))
            let port = listener?.address.port ?? 0
            let endpoint = EchoEndpoint.tcp("127.0.0.1", port: port)
            return try smallCheck(endpoint, EchoCheck.streamChecks).run { _ in
                listener = nil
            } onResult: { _ in
            }
        }
        #expect(report.results.count == EchoCheck.streamChecks.count && !report.passed)
        #expect(report.results.allSatisfy { $0.outcome == .failed }, "\(report)")
        #expect(
            report.results.allSatisfy {
                $0.evidence.contains("failed: connect: Connection refused")
            }
        )
        #expect(report.results.allSatisfy { $0.fault == .refused })
    }

    // The connection that finds the server stays in the queue, as nobody accepts it.
    @Test func `a Unix socket whose queue stays full fails at the deadline`() async throws {
        let result = try await runUnaccepted(.oneByte, backlog: 0, for: .milliseconds(100))
        #expect(result.fault == .late)
        #expect(result.evidence == "late: the connection was not opened within 0.1 s")
    }

    // The first connections wait for an answer, the others for room.
    @Test func `connections that there was no time for make it late, not wrong`() async throws {
        let result = try await runUnaccepted(.churn, backlog: 3, for: .seconds(3))
        #expect(result.fault == .late)
        #expect(
            result.evidence.hasPrefix("late: on connection 0, 0 of 1000 bytes came back within")
        )
        #expect(result.evidence.hasSuffix("; 60 of 60 connections failed"), "\(result.evidence)")
    }

    private func runUnaccepted(
        _ one: EchoCheck.Check,
        backlog: CInt,
        for deadline: Duration
    ) async throws -> EchoCheck.Result {
        let name = "\0echo-\(UInt64.random(in: 0 ... .max))"
        let listener = try Listener(.unix(name), backlog: backlog)
        var check = smallCheck(.unix(name), [one])
        check.deadline = deadline
        let report = try await check.run()
        _ = listener.address
        return try #require(report.results.first)
    }
}
