import EchoClient
import EchoSockets

/// The lines of a run for people: one for each probe, and a summary.
struct PingLines {
    let ping: EchoPing
    let screen: Screen

    /// The line above all others.
    var head: String {
        let name =
            ping.endpoints.count == 1 ? "\(ping.endpoints[0])" : "\(ping.endpoints.count) endpoints"
        let isDatagram = ping.endpoints.allSatisfy(\.isDatagram)
        let place = isDatagram ? "from a new port" : "on a new connection"
        let use = ping.connections == .new ? ", each \(place)" : ""
        return "pinging \(name) with \(Quantity.text(ping.size)) bytes every "
            + "\(Quantity.text(ping.interval))\(use)\n"
    }

    /// The line of a probe.
    func line(_ probe: EchoPing.Probe) -> String {
        let time = TimeText.seconds(probe.sent ?? probe.due)
        var line = String(repeating: " ", count: max(0, 9 - time.count)) + time
        line += "  \(ping.endpoints[probe.endpoint])  seq \(probe.sequence)  "
        switch probe.outcome {
        case .received(let roundTrip):
            line += "\(ping.size) bytes  \(TimeText.text(roundTrip))"
            if let connect = probe.connect { line += "  (connected in \(TimeText.text(connect)))" }
        case .lost(let reason): line += screen.text("lost", .red) + ": \(reason)"
        case .late(let roundTrip): line += "late  \(TimeText.text(roundTrip))"
        case .duplicate(let roundTrip): line += "duplicate  \(TimeText.text(roundTrip))"
        case .wrong(let evidence): line += screen.text("WRONG", .red) + ": \(evidence)"
        case .surplus(let evidence): line += screen.text("SURPLUS", .red) + ": \(evidence)"
        case .missed(let count): line += "not sent, nor \(count - 1) more: this machine was late"
        @unknown default: line += "?"
        }
        return line + "\n"
    }

    /// The lines below all others.
    func summary(_ report: EchoPing.Report) -> String {
        let body =
            report.endpoints.count == 1
            ? report.endpoints.map(single).joined() : table(report.endpoints)
        return "\n" + body + schedule(report)
    }

    private func schedule(_ report: EchoPing.Report) -> String {
        guard let lateness = report.lateness else { return "" }
        let median = lateness.p50.map { "half of them by \(TimeText.text($0)) or less, " } ?? ""
        let missed = report.endpoints.reduce(0) { $0 + $1.missed }
        let rest = missed == 0 ? "" : "; \(missed) not sent because of that"
        return "probes left late by this machine's timer: \(median)"
            + "\(TimeText.text(lateness.maximum)) at most\(rest)\n"
    }

    // MARK: One endpoint

    private func single(_ report: EchoPing.EndpointReport) -> String {
        var lines = [place(report), counts(report)]
        if let times = report.roundTrip { lines += roundTrip(times, report.jitter) }
        if let connect = connect(report) { lines.append(connect) }
        if let resolve = report.resolve, report.connectError == nil {
            lines.append("name looked up in \(TimeText.text(resolve))")
        }
        if let failure = report.lastFailure {
            lines.append(screen.text("last failure", .red) + ": \(failure)")
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private func place(_ report: EchoPing.EndpointReport) -> String {
        guard let address = report.address, address != "\(report.endpoint)" else {
            return "\(report.endpoint)"
        }
        return "\(report.endpoint) at \(address)"
    }

    private func counts(_ report: EchoPing.EndpointReport) -> String {
        let loss = report.loss.map { " (\(TimeText.percent($0)) %)" } ?? ""
        var parts = [
            "\(report.sent) sent", "\(report.received) received",
            alarming("\(report.lost) lost\(loss)", report.lost),
            alarming("\(report.wrong) wrong", report.wrong),
        ]
        if report.late > 0 { parts.append("\(report.late) of the lost late") }
        if report.duplicates > 0 { parts.append(alarming("\(report.duplicates) duplicate", 1)) }
        if report.surplus > 0 { parts.append(alarming("\(report.surplus) surplus", 1)) }
        if report.outstanding > 0 { parts.append("\(report.outstanding) on their way") }
        return parts.joined(separator: ", ")
    }

    private func alarming(_ text: String, _ count: Int) -> String {
        count > 0 ? screen.text(text, .red) : text
    }

    private func roundTrip(_ times: EchoPing.Times, _ jitter: Duration?) -> [String] {
        let text = { (time: Duration?) in time.map(TimeText.text) ?? "-" }
        return [
            "round trip: min \(text(times.minimum)), p50 \(text(times.p50)), "
                + "p90 \(text(times.p90)), p99 \(text(times.p99)), max \(text(times.maximum))",
            "            mean \(text(times.mean)), stddev \(text(times.standardDeviation)), "
                + "jitter \(text(jitter))",
        ]
    }

    private func connect(_ report: EchoPing.EndpointReport) -> String? {
        guard let times = report.connect else { return nil }
        guard times.samples > 1 else { return "connected in \(TimeText.text(times.maximum))" }
        return "connected \(times.samples) times: min \(TimeText.text(times.minimum)), "
            + "mean \(TimeText.text(times.mean)), max \(TimeText.text(times.maximum))"
    }

    // MARK: Several endpoints

    private static let titles = [
        "min", "p50", "p90", "p99", "max", "mean", "stddev", "jitter",
    ]

    // Two tables one above the other: each fits a terminal.
    private func table(_ reports: [EchoPing.EndpointReport]) -> String {
        let unit: TimeText.Unit =
            reports.compactMap { $0.roundTrip?.mean }.min().map { $0 < .milliseconds(1) } ?? true
            ? .microseconds : .milliseconds
        let counts = reports.map { report in
            [
                "\(report.endpoint)", "\(report.sent)", "\(report.received)", "\(report.lost)",
                "\(report.wrong)", report.loss.map { TimeText.percent($0) + " %" } ?? "-",
                TimeText.cell(report.connect?.mean, in: unit),
                TimeText.cell(report.resolve, in: unit),
            ]
        }
        let times = reports.map { report in
            ["\(report.endpoint)"]
                + [
                    report.roundTrip?.minimum, report.roundTrip?.p50, report.roundTrip?.p90,
                    report.roundTrip?.p99, report.roundTrip?.maximum, report.roundTrip?.mean,
                    report.roundTrip?.standardDeviation, report.jitter,
                ].map { TimeText.cell($0, in: unit) }
        }
        let failures = reports.compactMap { report in
            report.lastFailure.map { "\(report.endpoint): \(screen.text($0, .red))\n" }
        }
        let heads = ["", "sent", "received", "lost", "wrong", "loss", "connect", "resolve"]
        return Self.aligned([heads] + counts)
            + "\nround trips in \(unit.rawValue)\n" + Self.aligned([[""] + Self.titles] + times)
            + (failures.isEmpty ? "" : "\nlast failures\n" + failures.joined()) + "\n"
    }

    // The first column to the left, the others to the right.
    private static func aligned(_ rows: [[String]]) -> String {
        let columns = rows.first?.indices ?? 0..<0
        let widths = columns.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).enumerated().map { column, cell in
                column == 0
                    ? Layout.padded(cell.0, cell.1)
                    : String(repeating: " ", count: cell.1 - cell.0.count) + cell.0
            }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }
}
