import EchoClient
import EchoSockets

/// What is known about a run of checks, whether or not it came to its end.
struct CheckRecord {
    /// Why a run did not come to its end.
    struct Failure {
        let kind: FailureKind
        let message: String

        /// The same, for the end of the command.
        var error: CommandError {
            CommandError(exitCode: Exit.code(for: kind), message: message)
        }
    }

    let check: EchoCheck
    /// The server's address; `nil` if there was no connection.
    private(set) var address: SocketAddress?
    /// The checks that ended, in their order.
    var results: [EchoCheck.Result] = []
    private(set) var failure: Failure?

    init(_ check: EchoCheck) {
        self.check = check
    }

    /// Runs the checks, all of them at one address: the first that answers.
    ///
    /// - Parameter show: receives what to print for each line of the table, as soon as it is known.
    mutating func run(show: (_ line: (Screen) -> String) -> Void) {
        let check = check
        var found: (address: SocketAddress?, results: [EchoCheck.Result]) = (nil, [])
        do throws(EchoCheck.Failure) {
            _ = try check.run { address in
                found.address = address
                show { _ in CheckTable.head(check.endpoint, address, run: check.runNumber) }
            } onResult: { result in
                found.results.append(result)
                show { CheckTable.row(result, $0) }
            }
        } catch {
            failure = Failure(kind: error.kind, message: "\(error)")
        }
        (address, results) = found
    }
}

/// For programs: one JSON object, RFC 8259.
extension CheckRecord {
    /// The object, with a line for each check.
    var json: String {
        let counts = CheckCounts(results)
        let checks = results.map { "\n  \(object($0))" }.joined(separator: ",")
        return """
            {"endpoint":\(JSON.string("\(check.endpoint)")),\
            "address":\(address.map { JSON.string("\($0)") } ?? "null"),"run":\(check.runNumber),\
            "size":\(check.size),"connections":\(check.connections),\
            "deadline_seconds":\(CheckTable.seconds(check.deadline)),\
            "pause_seconds":\(CheckTable.seconds(check.pause)),"error":\(error),\
            "passed":\(counts.passed),"failed":\(counts.failed),\
            "late":\(counts.failures[.late] ?? 0),\
            "not_applicable":\(counts.notApplicable),"checks":[\(checks)
            ]}

            """
    }

    private var error: String {
        guard let failure else { return "null" }
        return """
            {"kind":\(JSON.string(failure.kind.rawValue)),\
            "message":\(JSON.string(failure.message)),"exit_code":\(Exit.code(for: failure.kind))}
            """
    }

    private func object(_ result: EchoCheck.Result) -> String {
        """
        {"name":\(JSON.string(result.check.rawValue)),\
        "meaning":\(JSON.string(result.check.meaning)),\
        "result":\(JSON.string(result.outcome.rawValue)),\
        "kind":\(result.fault.map { JSON.string($0.rawValue) } ?? "null"),\
        "evidence":\(JSON.string(result.evidence)),\
        "seconds":\(CheckTable.seconds(result.duration))}
        """
    }
}
