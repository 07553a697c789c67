import EchoClient
import EchoSockets

/// The results of checks for people.
enum CheckTable {
    private static let nameWidth =
        EchoCheck.Check.allCases.map(\.rawValue.count).max() ?? 0

    /// The checks there are, with what they mean.
    static func list(_ checks: [EchoCheck.Check], _ screen: Screen) -> String {
        checks.map { check in
            Layout.lines(
                Layout.padded(check.rawValue, nameWidth + 2),
                width: nameWidth + 2,
                check.meaning,
                columns: screen.columns
            )
        }.joined()
    }

    /// The line above the rows.
    static func head(_ endpoint: EchoEndpoint, _ address: SocketAddress, run: Int) -> String {
        let isNamed = ["\(address)", "udp:\(address)"].contains("\(endpoint)")
        let place = isNamed ? "" : " at \(address)"
        return "checking \(endpoint)\(place), run \(run)\n"
    }

    /// The row of a check; one line where it does not go to a terminal, for grep(1) and the like.
    static func row(_ result: EchoCheck.Result, _ screen: Screen) -> String {
        let outcome =
            switch result.outcome {
            case .passed: screen.text("passed", .green)
            case .failed: screen.text("FAILED", .red)
            case .notApplicable: "n/a   "
            }
        let time = seconds(result.duration) + " s"
        let rest =
            "  " + Layout.padded(result.check.rawValue, nameWidth) + "  "
            + String(repeating: " ", count: max(0, 8 - time.count)) + time + "  "
        return Layout.lines(
            outcome + rest,
            width: 6 + rest.count,
            result.evidence,
            columns: screen.isTerminal ? screen.columns : nil
        )
    }

    /// The line below the rows.
    static func foot(_ results: [EchoCheck.Result], _ screen: Screen) -> String {
        let counts = CheckCounts(results)
        let failed = "\(counts.failed) failed"
        var parts = [
            "\(counts.passed) passed",
            counts.failed > 0 ? screen.text(failed, .red) + kinds(counts) : failed,
        ]
        if counts.notApplicable > 0 { parts.append("\(counts.notApplicable) not applicable") }
        return parts.joined(separator: ", ") + "\n"
    }

    // How many failures were of which kind.
    private static func kinds(_ counts: CheckCounts) -> String {
        let late = counts.failures[.late] ?? 0
        if late == counts.failed { return " (\(late) late: everything that came was right)" }
        let kinds = EchoCheck.Fault.allCases.compactMap { fault in
            counts.failures[fault].map {
                "\($0) \(fault == .ended ? "ended early" : fault.rawValue)"
            }
        }
        return " (\(kinds.joined(separator: ", ")))"
    }

    /// Seconds with three decimals.
    static func seconds(_ duration: Duration) -> String {
        let milliseconds = duration.nanoseconds / 1_000_000
        return "\(milliseconds / 1000).\(String(String(1000 + milliseconds % 1000).dropFirst()))"
    }
}

/// How many checks ended how.
struct CheckCounts {
    let passed: Int
    let failed: Int
    let notApplicable: Int
    /// How many failed in which way.
    let failures: [EchoCheck.Fault: Int]

    init(_ results: [EchoCheck.Result]) {
        passed = results.count { $0.outcome == .passed }
        failed = results.count { $0.outcome == .failed }
        notApplicable = results.count { $0.outcome == .notApplicable }
        failures = results.compactMap(\.fault).reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }
}
