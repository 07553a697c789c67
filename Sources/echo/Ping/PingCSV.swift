import EchoClient
import EchoSockets

/// The summary of a run for spreadsheets, RFC 4180: a row for each endpoint.
///
/// What is not known is empty.
enum PingCSV {
    private static let titles = [
        "endpoint", "address", "sent", "received", "lost", "late", "wrong", "surplus", "missed",
        "outstanding", "loss_percent", "connections", "failed_connections", "last_failure",
        "resolve_ns", "connect_mean_ns", "connect_max_ns", "min_ns", "p50_ns", "p90_ns", "p99_ns",
        "max_ns", "mean_ns", "stddev_ns", "jitter_ns", "duplicates",
    ]

    /// The rows, below their titles.
    static func text(_ report: EchoPing.Report) -> String {
        ([titles] + report.endpoints.map(row)).map { row in
            row.map(quoted).joined(separator: ",") + "\r\n"
        }.joined()
    }

    private static func row(_ report: EchoPing.EndpointReport) -> [String] {
        let counts = [
            report.sent, report.received, report.lost, report.late, report.wrong, report.surplus,
            report.missed, report.outstanding,
        ]
        let times = report.roundTrip
        let durations = [
            report.resolve, report.connect?.mean, report.connect?.maximum, times?.minimum,
            times?.p50, times?.p90, times?.p99, times?.maximum, times?.mean,
            times?.standardDeviation, report.jitter,
        ]
        return ["\(report.endpoint)", report.address ?? ""] + counts.map { "\($0)" }
            + [
                report.loss.map(TimeText.percent) ?? "", "\(report.connections)",
                "\(report.failedConnections)", report.lastFailure ?? "",
            ] + durations.map { $0.map { "\($0.nanoseconds)" } ?? "" } + ["\(report.duplicates)"]
    }

    private static func quoted(_ field: String) -> String {
        guard field.contains(where: { ",\"".contains($0) || $0.isNewline }) else { return field }
        return "\"" + field.replacing("\"", with: "\"\"") + "\""
    }
}
