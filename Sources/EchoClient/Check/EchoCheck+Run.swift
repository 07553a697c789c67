package import EchoSockets
import Glibc

extension EchoCheck {
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

    /// Runs the checks, one after another, on a thread of their own.
    ///
    /// Takes no longer than all time limits and pauses together, and the look-up of a name. Opens
    /// up to ``connections`` descriptors at a time, and a few more.
    ///
    /// When the task is cancelled, the check that runs is given up, and the report has those before
    /// it; such a report has not ``Report/passed``.
    ///
    /// - Parameter onResult: is told each result as soon as it is known, in order, on the run's
    ///   thread. The next check waits until it returns.
    /// - Returns: the results. A server that fails checks is no error.
    /// - Throws: ``Failure`` if a value is out of its range, there is no connection to the server,
    ///   or the checks cannot go on for a reason on this side.
    public func run(
        _ onResult: @escaping @Sendable (Result) -> Void = { _ in }
    ) async throws(Failure) -> Report {
        try validate()
        let stop = ClientStop()
        let outcome: Swift.Result<Report, Failure>
        do throws(SystemError) {
            outcome = try await ClientThread.run(name: "check", stop: stop) { loop in
                do throws(Failure) {
                    return .success(try run(loop, stop, { _ in }, onResult))
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            throw failure(error)
        }
        return try outcome.get()
    }

    /// Runs the checks on the calling thread.
    ///
    /// - Parameters:
    ///   - stop: ends the run, as cancelling the task does.
    ///   - onConnection: is told the address before the first check.
    ///   - onResult: is told each result.
    /// - Returns: the results.
    /// - Throws: as ``run(_:)``.
    package func run(
        _ stop: ClientStop = ClientStop(),
        onConnection: (SocketAddress) -> Void = { _ in },
        onResult: (Result) -> Void
    ) throws(Failure) -> Report {
        try validate()
        let loop: ClientLoop
        do throws(SystemError) {
            loop = try ClientLoop(stop)
        } catch {
            throw failure(error)
        }
        return try run(loop, stop, onConnection, onResult)
    }

    private func run(
        _ loop: ClientLoop,
        _ stop: ClientStop,
        _ onConnection: (SocketAddress) -> Void,
        _ onResult: (Result) -> Void
    ) throws(Failure) -> Report {
        let start = MonotonicTime.now
        var report = Report()
        if let address = try findAddress(loop, stop) {
            report.address = "\(address)"
            onConnection(address)
            for check in checks {
                if !report.results.isEmpty { loop.run(until: .now + pause) { false } }
                guard let result = try result(of: check, at: address, loop) else { break }
                report.results.append(result)
                onResult(result)
            }
        }
        report.isComplete = report.results.count == checks.count
        report.duration = .now - start
        return report
    }

    private func findAddress(
        _ loop: ClientLoop,
        _ stop: ClientStop
    ) throws(Failure) -> SocketAddress? {
        do throws(ConnectError) {
            if endpoint.isDatagram { return try findDatagramAddress(loop, stop) }
            let search = AddressSearch(loop, stop, endpoint.value)
            return try search.run(within: connectTimeout)
        } catch {
            throw Failure(error)
        }
    }

    private func failure(_ error: SystemError) -> Failure {
        Failure(code: .system, description: "cannot check \(endpoint): \(error)")
    }

    /// Runs a check; `nil` if it was given up.
    private func result(
        of check: Check,
        at address: SocketAddress,
        _ loop: ClientLoop
    ) throws(Failure) -> Result? {
        let start = MonotonicTime.now
        let finding: Finding?
        do throws(SystemError) {
            finding = try self.finding(of: check, at: address, loop)
        } catch {
            throw failure(error)
        }
        return finding.map {
            Result(
                check: check,
                outcome: $0.outcome,
                fault: $0.fault,
                evidence: $0.evidence,
                duration: .now - start
            )
        }
    }

    private func finding(
        of check: Check,
        at address: SocketAddress,
        _ loop: ClientLoop
    ) throws(SystemError) -> Finding? {
        guard check.isForDatagrams == endpoint.isDatagram else {
            return Finding(
                .notApplicable,
                "it is for \(endpoint.isDatagram ? "connections" : "UDP")"
            )
        }
        if check.isForDatagrams { return try datagramFinding(of: check, at: address, loop) }
        if check == .urgent, case .unix = address, !hasUnixUrgentData {
            return Finding(.notApplicable, "Unix sockets have no urgent data before Linux 5.15")
        }
        let end = MonotonicTime.now + deadline
        var ends: [ConversationEnd] = []
        // After a step has failed, later ones would only wait in vain.
        for step in steps(of: check) {
            let group = ConversationGroup(loop, address, step)
            let report = try group.run(until: end, limit: deadline)
            if loop.isStopped { return nil }
            if let failure = report.firstFailure {
                let others =
                    step.count > 1
                    ? "; \(report.failures) of \(counted(step.count, "connection")) failed" : ""
                return Finding(failure.fault, failure.evidence + others)
            }
            ends += report.ends
        }
        return Finding(.passed, evidence(of: check, ends))
    }
}

/// The outcome of a check and its reason.
struct Finding {
    let outcome: EchoCheck.Outcome
    var fault: EchoCheck.Fault?
    let evidence: String

    init(_ outcome: EchoCheck.Outcome, _ evidence: String) {
        self.outcome = outcome
        self.evidence = evidence
    }

    /// A failure.
    init(_ fault: EchoCheck.Fault, _ evidence: String) {
        self.init(.failed, (fault == .late ? "late: " : "") + evidence)
        self.fault = fault
    }
}

extension EchoCheck.Failure {
    fileprivate init(_ error: ConnectError) {
        let code: Code =
            switch error.reason {
            case .other: .system
            case .resolution: .unknownHost
            case .unreachable, .unusable, .refused: .refused
            case .timedOut: .timedOut
            case .permissionDenied: .permissionDenied
            }
        self.init(code: code, description: "\(error)")
    }

    /// The kind of failure, for exit codes and reports.
    package var kind: FailureKind {
        switch code {
        case .unknownHost: .unknownHost
        case .refused: .refused
        case .permissionDenied: .denied
        case .timedOut: .late
        case .invalidConfiguration, .system: .local
        }
    }
}
