import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// The checks of UDP: a right server passes, and each check fails a wrong one and says why.
@Suite(.timeLimit(.minutes(5)))
struct DatagramCheckTests {
    /// A fault, the checks that it fails, and what the last of them says.
    struct Case: Sendable, CustomTestStringConvertible {
        let fault: FaultyDatagramServer.Fault
        let failing: [EchoCheck.Check]
        let evidence: String
        var kind = EchoCheck.Fault.wrong

        /// Time for a datagram to be sent again, on a busy machine as well; short where it is
        /// waited out.
        var deadline: Duration { kind == .late ? .seconds(3) : .seconds(20) }
        /// Whether the checks run side by side: each of them waits for its deadline.
        var isSideBySide: Bool { fault == .neverAnswers }

        var testDescription: String { "\(fault)" }
    }

    static let cases = [
        Case(
            fault: .truncates(512),
            failing: [.udpSizes, .udpLarge],
            evidence:
                "^the client's datagram of \\d+ bytes came back with its first 512 bytes only$"
        ),
        Case(
            fault: .truncates(1024),
            failing: [.udpSizes, .udpLarge],
            evidence:
                "^the client's datagram of \\d+ bytes came back with its first 1024 bytes only$"
        ),
        Case(
            fault: .truncates(2048),
            failing: [.udpLarge],
            evidence:
                "^the client's datagram of 2049 bytes came back with its first 2048 bytes only$"
        ),
        Case(
            fault: .appends(above: 1472),
            failing: [.udpLarge],
            evidence: "^the client's datagram of 1473 bytes came back with 1 byte more$"
        ),
        Case(
            fault: .dropsEmpty,
            failing: [.udpEmpty],
            evidence:
                "^late: the datagram of 0 bytes did not come back within 3 s, sent [2-4] times$",
            kind: .late
        ),
        Case(
            fault: .answersTwice,
            failing: [.udpOnce],
            evidence: "^\\d+ of 20 datagrams came back more often than they were sent$"
        ),
        Case(
            fault: .answersFromElsewhere,
            failing: [.udpSource],
            evidence: "^127\\.0\\.0\\.1:\\d+ was asked, and 127\\.0\\.0\\.2:\\d+ answered$"
        ),
        Case(
            fault: .mixesUp,
            failing: [.udpClients],
            evidence: "^client \\d+ received client \\d+'s datagram \\d$"
        ),
        Case(
            fault: .changes(1000),
            failing: [.udpSizes, .udpLarge],
            evidence: "^the client's datagram of \\d+ bytes came back changed: "
                + "it differs at offset 1000: "
        ),
        Case(
            fault: .shouts,
            failing: [
                .udpBytes, .udpSizes, .udpLarge, .udpOnce, .udpSource, .udpClients, .udpBurst,
            ],
            evidence:
                "^the client's datagram of \\d+ bytes came back changed: it differs at offset "
        ),
        Case(
            fault: .neverAnswers,
            failing: EchoCheck.datagramChecks,
            evidence: "^late: 10 of 10 datagrams did not come back within 3 s, sent [2-4] times; "
                + "the smallest of them has 64 bytes$",
            kind: .late
        ),
    ]

    private func check(
        _ address: SocketAddress,
        _ checks: [EchoCheck.Check]? = nil
    ) -> EchoCheck {
        var check = EchoCheck(.udp(address.host, port: address.port ?? 0))
        check.checks = checks ?? check.checks
        check.connections = 10
        check.deadline = .seconds(60)
        return check
    }

    @Test func `every check has a fault that it finds`() {
        #expect(Set(Self.cases.flatMap(\.failing)) == Set(EchoCheck.datagramChecks))
    }

    @Test(arguments: cases)
    func `a fault fails the checks that are about it, and no other`(_ example: Case) async throws {
        let server = try FaultyDatagramServer(example.fault)
        var check = check(server.address)
        check.deadline = example.deadline
        let results =
            try await example.isSideBySide ? runSideBySide(check) : check.run().results
        withExtendedLifetime(server) {}
        let failed = results.filter { $0.outcome == .failed }
        // Chance decides whether a byte is a letter, and udp-byte has one only.
        #expect(
            failed.map(\.check).filter { $0 != .udpByte || example.fault == .neverAnswers }
                == example.failing,
            "\(results)"
        )
        let last = try #require(failed.last)
        #expect(last.fault == example.kind)
        #expect(last.evidence.firstMatch(of: try Regex(example.evidence)) != nil, "\(last)")
    }

    /// Runs each check by itself, all at the same time; gives the results in the checks' order.
    private func runSideBySide(_ check: EchoCheck) async throws -> [EchoCheck.Result] {
        try await withThrowingTaskGroup(of: (Int, [EchoCheck.Result]).self) { group in
            for (index, one) in check.checks.enumerated() {
                group.addTask {
                    var alone = check
                    alone.checks = [one]
                    return (index, try await alone.run().results)
                }
            }
            var results: [Int: [EchoCheck.Result]] = [:]
            for try await (index, some) in group { results[index] = some }
            return check.checks.indices.flatMap { results[$0] ?? [] }
        }
    }

    @Test func `a right server passes`() async throws {
        let server = try FaultyDatagramServer()
        let report = try await check(server.address).run()
        #expect(report.passed, "\(report)")
        #expect(report.results.map(\.check) == EchoCheck.datagramChecks)
        #expect(report.address == "\(server.address)")
    }

    @Test func `what is lost and comes back when sent again is told, and fails nothing`()
        async throws
    {
        let server = try FaultyDatagramServer(.losesThird)
        let report = try await check(server.address, [.udpBurst, .udpSizes]).run()
        #expect(report.passed, "\(report)")
        let pattern =
            /^10 datagrams that were sent at once came back; \d+ of 10 only when sent again$/
        #expect(report.results[0].evidence.wholeMatch(of: pattern) != nil, "\(report)")
        #expect(report.results[1].evidence.hasSuffix(" of 33 only when sent again"), "\(report)")
    }

    @Test func `a burst that never comes back whole fails, however often it is sent`() async throws
    {
        let server = try FaultyDatagramServer(.tires(5))
        // One has found the server.
        let result = try #require(try await check(server.address, [.udpBurst]).run().results.first)
        #expect(result.fault == .late)
        let pattern = /^late: 6 of 10 datagrams did not come back within [\d.]+ s, sent 5 times; .*/
        #expect(result.evidence.wholeMatch(of: pattern) != nil, "\(result)")
    }

    @Test func `bytes of another check and another run are recognised`() async throws {
        let server = try FaultyDatagramServer(.isStale)
        var check = check(server.address, [.udpBytes, .udpSource])
        check.runNumber = 17
        let first = try await check.run()
        let other = "the client received the check udp-byte's (client 2047) datagram 0"
        #expect(first.results.first?.evidence == other, "\(first)")
        check.checks = [.udpOnce]
        check.runNumber = 18
        let second = try await check.run()
        #expect(second.results.first?.fault == .wrong, "\(second)")
        let late = try FaultyDatagramServer(.lags)
        check = self.check(late.address, [.udpClients])
        #expect(try await check.run().results.first?.outcome == .passed)
    }

    @Test func `nobody there is a failure that names the endpoint`() async throws {
        let closed = try DatagramClient().address
        let endpoint = EchoEndpoint.udp("127.0.0.1", port: closed.port ?? 0)
        let error = await #expect(throws: EchoCheck.Failure.self) {
            try await EchoCheck(endpoint).run()
        }
        #expect(error?.code == .refused)
        #expect(error?.description == "cannot connect to \(endpoint): Connection refused")
    }

    @Test func `a name stands for the first of its addresses that answers`() async throws {
        let server = try FaultyDatagramServer(at: .loopback6(port: 0))
        let endpoint = EchoEndpoint.udp("localhost", port: server.address.port ?? 0)
        var check = EchoCheck(endpoint)
        check.checks = [.udpByte]
        let report = try await check.run()
        #expect(report.address == "\(server.address)" && report.passed, "\(report)")
    }

    @Test func `checks of connections do not apply, nor those of UDP to connections`() async throws
    {
        let server = try FaultyDatagramServer()
        let report = try await check(server.address, [.churn, .udpByte]).run()
        #expect(report.results.map(\.outcome) == [.notApplicable, .passed])
        let stream = try ThreadedEchoServer()
        var check = EchoCheck(EchoEndpoint(stream.endpoint))
        check.checks = [.udpByte]
        #expect(try await check.run().results.map(\.outcome) == [.notApplicable])
    }

    @Test func `cancelling gives up the check that runs`() async throws {
        let server = try FaultyDatagramServer(.tires(2))
        let check = check(server.address, [.udpByte, .udpBytes, .udpSizes])
        let told = Locked(0)
        let task = Task { try await check.run { _ in told.withLock { $0 += 1 } } }
        let began = await eventually { told.withLock { $0 } == 1 }
        #expect(began)
        task.cancel()
        let report = try await withDeadline { try await task.value }
        #expect(report.results.map(\.check) == [.udpByte] && !report.isComplete)
    }

    @Test func `a connection cannot be opened over UDP`() async {
        let error = await #expect(throws: EchoConnection.Failure.self) {
            try await EchoConnection.open(.udp("127.0.0.1", port: 7))
        }
        #expect(error?.code == .system)
    }
}
