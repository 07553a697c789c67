package import EchoSockets
import Glibc

/// Checks whether an echo server loses, changes or mixes up bytes.
///
/// For any RFC 862 server over TCP or a Unix socket. It assumes no more than the RFC says: whatever
/// is sent comes back, until the client ends the connection.
package struct ConformanceSuite: Sendable {
    /// The sizes that large payloads may have.
    package static let sizes = CheckPayload.sizes
    /// The numbers of connections that may be open at once.
    package static let connectionCounts = 2...1000

    /// What to check, in this order.
    package var checks = ConformanceCheck.allCases
    /// The time limit of each check, which fails when it is reached.
    package var deadline: Duration = .seconds(10)
    /// Bytes of the large payloads; see ``sizes``.
    package var size = 16 << 20
    /// Connections for the checks that open many; see ``connectionCounts``.
    package var connections = 200
    /// How long to wait between two checks.
    package var pause = Duration.zero
    /// Whether Unix sockets have urgent data; see ``kernelHasUnixUrgentData``.
    package var hasUnixUrgentData = Self.kernelHasUnixUrgentData
    /// Names the run: its bytes carry the number, from 0 to 511.
    package let run: Int

    /// Whether this kernel has urgent data on Unix sockets, as Linux has since 5.15 unless it was
    /// built without (`CONFIG_AF_UNIX_OOB`).
    package static let kernelHasUnixUrgentData: Bool = {
        guard let pair = try? Socket.pair() else { return false }
        let byte: [UInt8] = [0]
        let outcome = unsafe byte.withUnsafeBytes {
            unsafe pair.first.send($0, flags: CInt(MSG_OOB))
        }
        return outcome == .bytes(1)
    }()

    /// The whole suite.
    ///
    /// - Parameter run: its number; random by default.
    package init(run: Int = .random(in: 0..<PayloadName.runs)) {
        self.run = run
    }

    /// A suite for servers that are not one's own.
    ///
    /// It opens few connections, transfers little, and pauses between its checks. It leaves out
    /// those that open many connections, reset them, or send urgent data, which firewalls distrust.
    ///
    /// - Parameter run: its number; random by default.
    /// - Returns: a suite of which everything may still be changed.
    package static func gentle(run: Int = .random(in: 0..<PayloadName.runs)) -> ConformanceSuite {
        var suite = ConformanceSuite(run: run)
        suite.checks.removeAll { [.resets, .urgent, .churn].contains($0) }
        suite.size = sizes.lowerBound
        suite.connections = 4
        suite.pause = .seconds(1)
        return suite
    }

    /// Runs the checks, one after another.
    ///
    /// Blocks for no longer than all deadlines and pauses together; any thread. It opens up to
    /// ``connections`` descriptors more than the process has.
    ///
    /// - Parameters:
    ///   - address: the server.
    ///   - observer: receives each result as soon as it is known.
    /// - Returns: the results, in the order of ``checks``.
    /// - Throws: a failure on this side that says nothing about the server, such as `EMFILE`.
    package func run(
        against address: SocketAddress,
        observer: (CheckResult) -> Void = { _ in }
    ) throws(SystemError) -> [CheckResult] {
        let loop = try ClientLoop()
        var results: [CheckResult] = []
        for check in checks {
            if !results.isEmpty { loop.run(until: .now + pause) { false } }
            let start = MonotonicTime.now
            let finding = try finding(of: check, at: address, loop)
            let result = CheckResult(
                check: check,
                outcome: finding.outcome,
                kind: finding.kind,
                evidence: finding.evidence,
                duration: .now - start
            )
            observer(result)
            results.append(result)
        }
        return results
    }

    private func finding(
        of check: ConformanceCheck,
        at address: SocketAddress,
        _ loop: ClientLoop
    ) throws(SystemError) -> Finding {
        if check == .urgent, case .unix = address, !hasUnixUrgentData {
            return Finding(.notApplicable, "Unix sockets have no urgent data before Linux 5.15")
        }
        let end = MonotonicTime.now + deadline
        var ends: [ConversationEnd] = []
        // After a step has failed, later ones would only wait in vain.
        for step in steps(of: check) {
            let group = ConversationGroup(loop, address, step)
            let report = try group.run(until: end, limit: deadline)
            if let failure = report.firstFailure {
                let others =
                    step.count > 1
                    ? "; \(report.failures) of \(counted(step.count, "connection")) failed" : ""
                return Finding(failure.kind, failure.evidence + others)
            }
            ends += report.ends
        }
        return Finding(.passed, evidence(of: check, ends))
    }
}

/// The outcome of a check and its reason.
private struct Finding {
    let outcome: CheckResult.Outcome
    var kind: FailureKind?
    let evidence: String

    init(_ outcome: CheckResult.Outcome, _ evidence: String) {
        self.outcome = outcome
        self.evidence = evidence
    }

    /// A failure.
    init(_ kind: FailureKind, _ evidence: String) {
        self.init(.failed, (kind == .late ? "late: " : "") + evidence)
        self.kind = kind
    }
}
