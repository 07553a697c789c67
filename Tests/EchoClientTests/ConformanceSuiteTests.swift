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
        /// The deadline of a fault that only shows then.
        var deadline = Duration.seconds(2)

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
                "^late: .* not ended by the server within 3 s, though .* and all had come back$",
            faults: [.late],
            // Its byte is to come back before.
            deadline: .seconds(3)
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
            deadline: example.isLate ? example.deadline : .seconds(60)
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
        var check = smallCheck(server.endpoint, [.urgent, .oneByte])
        check.hasUnixUrgentData = false
        let report = try await check.run()
        #expect(report.results.map(\.outcome) == [.notApplicable, .passed], "\(report)")
        #expect(report.passed)
    }

    @Test func `bytes of another run are recognised`() async throws {
        let server = try ThreadedEchoServer(with: .staleBuffer)
        _ = try await smallCheck(server.endpoint, [.slowReader], run: 17).run()
        let report = try await smallCheck(server.endpoint, [.slowReader], run: 18).run()
        let expected = "the connection received run 17's (check slow-reader, connection 0) bytes "
        let evidence = try #require(report.results.first?.evidence)
        #expect(evidence.hasPrefix(expected + "at offset 0"), "\(report)")
    }

    @Test func `bytes of another check are recognised`() async throws {
        let server = try ThreadedEchoServer(with: .staleBuffer)
        let report = try await smallCheck(server.endpoint, [.slowReader, .sendFirst]).run()
        let expected = "the connection received the check slow-reader's (connection 0) bytes "
        let evidence = try #require(report.results.last?.evidence)
        #expect(evidence.hasPrefix(expected + "at offset 0"), "\(report)")
    }

    @Test func `it pauses between checks, not before the first or after the last`() async throws {
        let server = try ThreadedEchoServer()
        var one = smallCheck(server.endpoint, [.empty])
        one.pause = .seconds(30)
        #expect(try await one.run().duration < .seconds(30))
        var two = smallCheck(server.endpoint, [.empty, .oneByte])
        two.pause = .milliseconds(400)
        #expect(try await two.run().duration >= .milliseconds(400))
    }

    private func run(
        _ one: EchoCheck.Check,
        against fault: Fault,
        deadline: Duration = .seconds(60)
    ) async throws -> EchoCheck.Result {
        let server = try ThreadedEchoServer(with: fault)
        var check = smallCheck(server.endpoint, [one])
        check.deadline = deadline
        let report = try await withDeadline(.seconds(100)) { [check] in try await check.run() }
        return try #require(report.results.first)
    }
}
