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

    let endpoint: Endpoint
    let suite: ConformanceSuite
    /// The server's address; `nil` if there was no connection.
    private(set) var address: SocketAddress?
    /// The checks that ended, in their order.
    var results: [CheckResult] = []
    private(set) var failure: Failure?

    init(endpoint: Endpoint, suite: ConformanceSuite) {
        self.endpoint = endpoint
        self.suite = suite
    }

    /// Runs the checks, all of them at one address: the first that answers.
    ///
    /// - Parameters:
    ///   - connectTimeout: the time limit for the first connection.
    ///   - show: receives what to print for each line of the table, as soon as it is known.
    mutating func run(
        connectTimeout: Duration,
        show: (_ line: (Screen) -> String) -> Void
    ) {
        let address: SocketAddress
        do throws(ConnectError) {
            address = try ConnectedSocket.open(endpoint, timeout: connectTimeout).peer
        } catch {
            failure = Failure(kind: error.kind, message: "\(error)")
            return
        }
        self.address = address
        let (endpoint, suite) = (endpoint, suite)
        show { _ in CheckTable.head(endpoint, address, run: suite.run) }
        var results: [CheckResult] = []
        do throws(SystemError) {
            _ = try suite.run(against: address) { result in
                results.append(result)
                show { CheckTable.row(result, $0) }
            }
        } catch {
            failure = Failure(kind: .local, message: "cannot check \(endpoint): \(error)")
        }
        self.results = results
    }
}

/// For programs: one JSON object, RFC 8259.
extension CheckRecord {
    /// The object, with a line for each check.
    var json: String {
        let counts = CheckCounts(results)
        let checks = results.map { "\n  \(object($0))" }.joined(separator: ",")
        return """
            {"endpoint":\(JSON.string("\(endpoint)")),\
            "address":\(address.map { JSON.string("\($0)") } ?? "null"),"run":\(suite.run),\
            "size":\(suite.size),"connections":\(suite.connections),\
            "deadline_seconds":\(CheckTable.seconds(suite.deadline)),\
            "pause_seconds":\(CheckTable.seconds(suite.pause)),"error":\(error),\
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

    private func object(_ result: CheckResult) -> String {
        """
        {"name":\(JSON.string(result.check.rawValue)),\
        "meaning":\(JSON.string(result.check.meaning)),\
        "result":\(JSON.string(result.outcome.rawValue)),\
        "kind":\(result.kind.map { JSON.string($0.rawValue) } ?? "null"),\
        "evidence":\(JSON.string(result.evidence)),\
        "seconds":\(CheckTable.seconds(result.duration))}
        """
    }
}
