import EchoClient
import EchoSockets
import EchoTestSupport
import Testing

/// The suite passes a right server, and each check fails a wrong one and says why.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ConformanceSuiteTests {
    /// A fault, the check that finds it, and what it says, as a regular expression.
    struct Case: Sendable, CustomTestStringConvertible {
        let fault: Fault
        let check: EchoCheck.Check
        let evidence: String
        /// What it may be called: whether an end is orderly may depend on unread bytes.
        var faults: Set<EchoCheck.Fault> = [.wrong]

        /// Whether the fault only shows at the deadline.
        var isLate: Bool { faults == [.late] }

        var testDescription: String { "\(fault.rawValue): \(check.rawValue)" }
    }

    static let cases = [
        Case(fault: .greets, check: .empty, evidence: "received 11 bytes more than the 0 sent"),
        Case(
            fault: .neverEnds,
            check: .empty,
            evidence: "^late: the connection was not ended by the server within 2 s, "
                + "though the client had ended it$",
            faults: [.late]
        ),
        Case(
            fault: .resetsAtEnd,
            check: .oneByte,
            evidence: "was broken by the server .* instead of in good order, after all had come",
            faults: [.reset]
        ),
        Case(
            fault: .swallows,
            check: .oneByte,
            evidence:
                "^late: on the connection, 0 of 1 byte came back within 2 s; 1 had been sent$",
            faults: [.late]
        ),
        Case(
            fault: .echoesLate,
            check: .oneByte,
            evidence:
                "^late: on the connection, 0 of 1 byte came back within 2 s; 1 had been sent$",
            faults: [.late]
        ),
        Case(
            fault: .neverEnds,
            check: .oneByte,
            evidence:
                "^late: .* not ended by the server within 2 s, though .* and all had come back$",
            faults: [.late]
        ),
        Case(
            fault: .truncatesAtNUL,
            check: .allBytes,
            evidence: "0 of 256 bytes came back within 2 s; 256 had been sent$",
            faults: [.late]
        ),
        Case(
            fault: .clearsHighBit,
            check: .allBytes,
            evidence: "the connection received byte 0 instead of 128 at offset 128$"
        ),
        Case(
            fault: .repeats,
            check: .sizes,
            evidence: "the connection received the bytes of offset \\d+ again at offset \\d+$"
        ),
        Case(fault: .loses, check: .sizes, evidence: "lacks 20 bytes at offset 100000$"),
        Case(
            fault: .dropsTail,
            check: .halfClose,
            evidence: "of 10 bytes was ended by the server when 0 of 10 bytes had come back: "
                + "the tail was lost at half-close$",
            faults: [.ended]
        ),
        Case(
            fault: .forgetsRest,
            check: .slowReader,
            evidence: "lacks \\d+ bytes at offset \\d+$|of 4194304 bytes had come back: the tail",
            faults: [.wrong, .ended]
        ),
        Case(
            fault: .breaksWhenFull,
            check: .sendFirst,
            evidence: "by the server .*when \\d+ of 131072 bytes had come back$",
            faults: [.ended, .reset]
        ),
        Case(
            fault: .swaps,
            check: .interleaved,
            evidence: "^connection \\d+ received connection \\d+'s bytes at offset 64; "
                + "\\d+ of 40 connections failed$"
        ),
        Case(
            fault: .failsTogether,
            check: .resets,
            evidence: "^connection \\d+ was .* by the server .*when \\d+ of 64000 bytes had come",
            faults: [.ended, .reset]
        ),
        Case(
            fault: .endsAtUrgent,
            check: .urgent,
            evidence: "urgent byte first was .* by the server .*when 0 of 2001 bytes had come back",
            faults: [.ended, .reset]
        ),
        Case(
            fault: .losesBehindUrgent,
            check: .urgent,
            evidence: "urgent byte first, \\d+ of 2001 bytes came back within 2 s",
            faults: [.late]
        ),
        Case(
            fault: .tires,
            check: .churn,
            evidence: "^connection 5\\d was .* when 0 of 1000 bytes had come back; 10 of 60 ",
            faults: [.ended, .reset]
        ),
        Case(
            fault: .staleBuffer,
            check: .churn,
            evidence: "^connection \\d+ received connection \\d+'s bytes at offset 0"
        ),
    ]

    @Test func `every check has a fault that it finds`() {
        let found = Set(Self.cases.map(\.check))
        #expect(found == Set(EchoCheck.streamChecks))
    }

    @Test(arguments: cases)
    func `a check finds a fault and names it`(_ example: Case) async throws {
        let result = try await run(
            example.check,
            against: example.fault,
            deadline: example.isLate ? .seconds(2) : .seconds(60)
        )
        #expect(result.outcome == .failed, "\(result)")
        #expect(result.fault.map(example.faults.contains) == true, "\(result)")
        let pattern = try Regex(example.evidence)
        #expect(result.evidence.firstMatch(of: pattern) != nil, "\(result.evidence)")
    }

    @Test(arguments: EchoCheck.streamChecks)
    func `a server that echoes passes every check`(_ check: EchoCheck.Check) async throws {
        let result = try await run(check, against: .none, deadline: .seconds(60))
        #expect(result.outcome == .passed, "\(result)")
        #expect(result.check == check)
    }

    @Test func `an urgent byte that is not received inline harms nothing, and is told`()
        async throws
    {
        let kept = try await run(.urgent, against: .none)
        #expect(kept.outcome == .passed)
        #expect(kept.evidence == "all other bytes came back, and the urgent byte in its place")
        let lost = try await run(.urgent, against: .dropsUrgent)
        #expect(lost.outcome == .passed)
        #expect(
            lost.evidence
                == "all other bytes came back; the urgent byte did not "
                + "(the server does not receive it inline)"
        )
    }

    @Test func `urgent data does not apply to Unix sockets that have none`() async throws {
        let name = "\0echo-\(UInt64.random(in: 0 ... .max))"
        let server = try ThreadedEchoServer(on: .unix(name))
        var check = check(server.endpoint, [.urgent, .oneByte])
        check.hasUnixUrgentData = false
        let report = try await check.run()
        #expect(report.results.map(\.outcome) == [.notApplicable, .passed], "\(report)")
        #expect(report.passed)
    }

    @Test func `bytes of another run are recognised`() async throws {
        let server = try ThreadedEchoServer(with: .staleBuffer)
        _ = try await check(server.endpoint, [.slowReader], run: 17).run()
        let report = try await check(server.endpoint, [.slowReader], run: 18).run()
        let expected = "the connection received run 17's (check slow-reader, connection 0) bytes "
        let evidence = try #require(report.results.first?.evidence)
        #expect(evidence.hasPrefix(expected + "at offset 0"), "\(report)")
    }

    @Test func `bytes of another check are recognised`() async throws {
        let server = try ThreadedEchoServer(with: .staleBuffer)
        let report = try await check(server.endpoint, [.slowReader, .sendFirst]).run()
        let expected = "the connection received the check slow-reader's (connection 0) bytes "
        let evidence = try #require(report.results.last?.evidence)
        #expect(evidence.hasPrefix(expected + "at offset 0"), "\(report)")
    }

    @Test func `a server that never answers fails in bounded time`() async throws {
        let server = try ThreadedEchoServer(with: .swallows)
        var check = check(server.endpoint, EchoCheck.streamChecks)
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
            return try check(endpoint, EchoCheck.streamChecks).run { _ in
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
        var check = check(.unix(name), [one])
        check.deadline = deadline
        let report = try await check.run()
        _ = listener.address
        return try #require(report.results.first)
    }

    @Test func `it pauses between checks, not before the first or after the last`() async throws {
        let server = try ThreadedEchoServer()
        var one = check(server.endpoint, [.empty])
        one.pause = .seconds(30)
        #expect(try await one.run().duration < .seconds(30))
        var two = check(server.endpoint, [.empty, .oneByte])
        two.pause = .milliseconds(400)
        #expect(try await two.run().duration >= .milliseconds(400))
    }

    private func run(
        _ one: EchoCheck.Check,
        against fault: Fault,
        deadline: Duration = .seconds(60)
    ) async throws -> EchoCheck.Result {
        let server = try ThreadedEchoServer(with: fault)
        var check = check(server.endpoint, [one])
        check.deadline = deadline
        let report = try await withDeadline(.seconds(100)) { [check] in try await check.run() }
        return try #require(report.results.first)
    }
}

private func check(
    _ endpoint: Endpoint,
    _ checks: [EchoCheck.Check],
    run: Int = 3
) -> EchoCheck {
    check(EchoEndpoint(endpoint), checks, run: run)
}

// Small: the large sizes are for the command.
private func check(
    _ endpoint: EchoEndpoint,
    _ checks: [EchoCheck.Check],
    run: Int = 3
) -> EchoCheck {
    var check = EchoCheck(endpoint)
    check.runNumber = run
    check.checks = checks
    check.size = 4 << 20
    check.connections = 40
    check.deadline = .seconds(60)
    return check
}
