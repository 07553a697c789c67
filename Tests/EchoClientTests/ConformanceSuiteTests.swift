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
        let check: ConformanceCheck
        let evidence: String
        /// What it may be called: whether an end is orderly may depend on unread bytes.
        var kinds: Set<FailureKind> = [.wrong]

        /// Whether the fault only shows at the deadline.
        var isLate: Bool { kinds == [.late] }

        var testDescription: String { "\(fault.rawValue): \(check.rawValue)" }
    }

    static let cases = [
        Case(fault: .greets, check: .empty, evidence: "received 11 bytes more than the 0 sent"),
        Case(
            fault: .neverEnds,
            check: .empty,
            evidence: "^late: the connection was not ended by the server within 2 s, "
                + "though the client had ended it$",
            kinds: [.late]
        ),
        Case(
            fault: .resetsAtEnd,
            check: .oneByte,
            evidence: "was broken by the server .* instead of in good order, after all had come",
            kinds: [.reset]
        ),
        Case(
            fault: .swallows,
            check: .oneByte,
            evidence:
                "^late: on the connection, 0 of 1 byte came back within 2 s; 1 had been sent$",
            kinds: [.late]
        ),
        Case(
            fault: .echoesLate,
            check: .oneByte,
            evidence:
                "^late: on the connection, 0 of 1 byte came back within 2 s; 1 had been sent$",
            kinds: [.late]
        ),
        Case(
            fault: .neverEnds,
            check: .oneByte,
            evidence:
                "^late: .* not ended by the server within 2 s, though .* and all had come back$",
            kinds: [.late]
        ),
        Case(
            fault: .truncatesAtNUL,
            check: .allBytes,
            evidence: "0 of 256 bytes came back within 2 s; 256 had been sent$",
            kinds: [.late]
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
            kinds: [.ended]
        ),
        Case(
            fault: .forgetsRest,
            check: .slowReader,
            evidence: "lacks \\d+ bytes at offset \\d+$|of 4194304 bytes had come back: the tail",
            kinds: [.wrong, .ended]
        ),
        Case(
            fault: .breaksWhenFull,
            check: .sendFirst,
            evidence: "by the server .*when \\d+ of 131072 bytes had come back$",
            kinds: [.ended, .reset]
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
            kinds: [.ended, .reset]
        ),
        Case(
            fault: .endsAtUrgent,
            check: .urgent,
            evidence: "urgent byte first was .* by the server .*when 0 of 2001 bytes had come back",
            kinds: [.ended, .reset]
        ),
        Case(
            fault: .losesBehindUrgent,
            check: .urgent,
            evidence: "urgent byte first, \\d+ of 2001 bytes came back within 2 s",
            kinds: [.late]
        ),
        Case(
            fault: .tires,
            check: .churn,
            evidence: "^connection 5\\d was .* when 0 of 1000 bytes had come back; 10 of 60 ",
            kinds: [.ended, .reset]
        ),
        Case(
            fault: .staleBuffer,
            check: .churn,
            evidence: "^connection \\d+ received connection \\d+'s bytes at offset 0"
        ),
    ]

    @Test func `every check has a fault that it finds`() {
        let found = Set(Self.cases.map(\.check))
        #expect(found == Set(ConformanceCheck.allCases))
    }

    @Test(arguments: cases)
    func `a check finds a fault and names it`(_ example: Case) async throws {
        let result = try await run(
            example.check,
            against: example.fault,
            deadline: example.isLate ? .seconds(2) : .seconds(60)
        )
        #expect(result.outcome == .failed, "\(result)")
        #expect(result.kind.map(example.kinds.contains) == true, "\(result)")
        let pattern = try Regex(example.evidence)
        #expect(result.evidence.firstMatch(of: pattern) != nil, "\(result.evidence)")
    }

    @Test(arguments: ConformanceCheck.allCases)
    func `a server that echoes passes every check`(_ check: ConformanceCheck) async throws {
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
        let server = try ThreadedEchoServer(on: .unix("\0echo-\(UInt64.random(in: 0 ... .max))"))
        let address = server.address
        let results = try await onThread {
            var suite = suite([.urgent, .oneByte])
            suite.hasUnixUrgentData = false
            return try suite.run(against: address)
        }
        #expect(results.map(\.outcome) == [.notApplicable, .passed], "\(results)")
    }

    @Test func `bytes of another run are recognised`() async throws {
        let server = try ThreadedEchoServer(with: .staleBuffer)
        let address = server.address
        let results = try await onThread {
            let old = try suite([.slowReader], run: 17).run(against: address)
            return old + (try suite([.slowReader], run: 18).run(against: address))
        }
        let expected = "the connection received run 17's (check slow-reader, connection 0) bytes "
        #expect(results[1].evidence.hasPrefix(expected + "at offset 0"), "\(results)")
    }

    @Test func `bytes of another check are recognised`() async throws {
        let server = try ThreadedEchoServer(with: .staleBuffer)
        let address = server.address
        let results = try await onThread {
            try suite([.slowReader, .sendFirst]).run(against: address)
        }
        let expected = "the connection received the check slow-reader's (connection 0) bytes "
        #expect(results[1].evidence.hasPrefix(expected + "at offset 0"), "\(results)")
    }

    @Test func `a server that never answers fails in bounded time`() async throws {
        let server = try ThreadedEchoServer(with: .swallows)
        let address = server.address
        let results = try await onThread(within: .seconds(120)) {
            var suite = suite(ConformanceCheck.allCases)
            suite.deadline = .milliseconds(300)
            return try suite.run(against: address)
        }
        let passed = results.filter { $0.outcome == .passed }.map(\.check)
        #expect(results.count == ConformanceCheck.allCases.count)
        #expect(passed.allSatisfy { $0 == .empty }, "\(results)")
    }

    @Test func `a server that is gone fails every check`() async throws {
        let address = try Listener(.loopback(port: 0)).address
        let results = try await onThread {
            try suite(ConformanceCheck.allCases).run(against: address)
        }
        #expect(results.allSatisfy { $0.outcome == .failed }, "\(results)")
        #expect(results.allSatisfy { $0.evidence.contains("failed: connect: Connection refused") })
        #expect(results.allSatisfy { $0.kind == .refused })
    }

    @Test func `a Unix socket whose queue stays full fails at the deadline`() async throws {
        let address = SocketAddress.unix("\0echo-\(UInt64.random(in: 0 ... .max))")
        let result = try await onThread {
            let listener = try Listener(address, backlog: 0)
            let first = try connectedSocket(to: listener.address)
            defer { first.shutdown(.both) }
            var suite = suite([.oneByte])
            suite.deadline = .milliseconds(100)
            return try suite.run(against: address)[0]
        }
        #expect(result.outcome == .failed)
        #expect(result.evidence == "late: the connection was not opened within 0.1 s")
    }

    @Test func `connections that there was no time for make it late, not wrong`() async throws {
        let address = SocketAddress.unix("\0echo-\(UInt64.random(in: 0 ... .max))")
        let result = try await onThread {
            // Nobody accepts: the first connections wait for an answer, the others for room.
            let listener = try Listener(address, backlog: 2)
            var suite = suite([.churn])
            suite.deadline = .milliseconds(100)
            let results = try suite.run(against: listener.address)
            return results[0]
        }
        #expect(result.kind == .late)
        #expect(
            result.evidence.hasPrefix("late: on connection 0, 0 of 1000 bytes came back within")
        )
        #expect(result.evidence.hasSuffix("; 60 of 60 connections failed"), "\(result.evidence)")
    }

    @Test func `a gentle suite may still be changed`() {
        var gentle = ConformanceSuite.gentle(run: 1)
        #expect(!gentle.checks.contains(.resets))
        gentle.checks = [.resets]
        #expect(gentle.checks == [.resets])
        #expect(gentle.connections == 4)
    }

    @Test func `it pauses between checks, not before the first or after the last`() async throws {
        let server = try ThreadedEchoServer()
        let address = server.address
        let spans = try await onThread {
            try [1, 2].map { count in
                var suite = suite(Array([ConformanceCheck.empty, .oneByte].prefix(count)))
                suite.pause = .seconds(30)
                if count == 2 { suite.pause = .milliseconds(400) }
                let start = MonotonicTime.now
                _ = try suite.run(against: address)
                return MonotonicTime.now - start
            }
        }
        #expect(spans[0] < .seconds(30))
        #expect(spans[1] >= .milliseconds(400))
    }

    @Test func `results come one by one, in order`() async throws {
        let server = try ThreadedEchoServer(with: .none)
        let address = server.address
        let seen = try await onThread {
            var seen: [CheckResult] = []
            let results = try suite([.urgent, .empty]).run(against: address) { seen.append($0) }
            #expect(results == seen)
            return seen
        }
        #expect(seen.map(\.check) == [.urgent, .empty])
    }

    private func run(
        _ check: ConformanceCheck,
        against fault: Fault,
        deadline: Duration = .seconds(60)
    ) async throws -> CheckResult {
        let server = try ThreadedEchoServer(with: fault)
        let address = server.address
        let results = try await onThread(within: .seconds(100)) {
            var suite = suite([check])
            suite.deadline = deadline
            return try suite.run(against: address)
        }
        return try #require(results.first)
    }
}

// Small: the large sizes are for the command.
private func suite(_ checks: [ConformanceCheck], run: Int = 3) -> ConformanceSuite {
    var suite = ConformanceSuite(run: run)
    suite.checks = checks
    suite.size = 4 << 20
    suite.connections = 40
    suite.deadline = .seconds(60)
    return suite
}
