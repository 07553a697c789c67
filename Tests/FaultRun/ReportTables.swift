import EchoServer
import EchoSockets

/// The tables that a run ends with.
struct ReportTables {
    private let reports: [ModelReport]
    private let areComplete: Bool

    init(_ reports: [ModelReport], areComplete: Bool) {
        self.reports = reports
        self.areComplete = areComplete
    }

    /// All tables, with what their columns mean.
    var text: String {
        areComplete ? "\(ofFaults)\n\(ofRest)" : ofFaults
    }

    private var ofFaults: String {
        """

        Under faults (latency: the background load's, without the time that the server was stopped)
        \(underFaults)

        The faults
        \(faults)
        """
    }

    private var ofRest: String {
        """

        CPU used in 2 s of rest
        \(resting)

        A crowd that comes, is silent and goes at once (latency: p99 of one active connection)
        \(crowds)
        """
    }

    private var underFaults: String {
        table(
            [
                "bytes verified", "connections", "faults", "wrong bytes", "lost", "leaked fds",
                "peak RSS", "p99", "longest",
            ]
        ) { report in
            let latencies = report.background.latencies
            return [
                "\(report.bytesVerified)", "\(report.clients.connections)", "\(report.faults)",
                "\(report.wrongBytes)", "\(report.clients.lost)", "\(report.leakedDescriptors)",
                mebibytes(report.peakResidentBytes), latencies.percentile(99).milliseconds,
                latencies.longest.milliseconds,
            ]
        }
    }

    private var faults: String {
        table(
            [
                "stops", "signals", "no descriptors", "storm connections", "resets", "abandoned",
                "urgent bytes", "half-closes",
            ]
        ) { report in
            let (torment, clients) = (report.torment, report.clients)
            return [
                torment.stops, torment.signals, torment.shortages, torment.stormConnections,
                clients.resets, clients.abandoned, clients.urgentBytes, clients.halfCloses,
            ].map(String.init)
        }
    }

    private var resting: String {
        table(["idle", "out of descriptors", "full with defer"]) { report in
            report.resting.all.map(\.1.milliseconds)
        }
    }

    private var crowds: String {
        table(
            ["connections", "slow readers", "arriving", "silent", "closing", "peak RSS"]
        ) { report in
            let crowd = report.crowd
            return [
                "\(crowd.connections)", "\(crowd.slowReaders)", crowd.arriving.milliseconds,
                crowd.silent.milliseconds, crowd.closing.milliseconds,
                mebibytes(crowd.peakResidentBytes),
            ]
        }
    }

    private func table(_ titles: [String], _ row: (ModelReport) -> [String]) -> String {
        let header = ["model"] + titles
        let rows = [header] + reports.map { [$0.model.rawValue] + row($0) }
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { cells in
            zip(cells, widths).enumerated().map { column, cell in
                let padding = String(repeating: " ", count: cell.1 - cell.0.count)
                return column == 0 ? cell.0 + padding : padding + cell.0
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }

    private func mebibytes(_ bytes: Int) -> String {
        "\(fixed(Double(bytes) / 1_048_576)) MiB"
    }
}

extension Duration {
    /// In milliseconds, to a tenth.
    var milliseconds: String { "\(fixed(Double(nanoseconds) / 1e6)) ms" }
}

private func fixed(_ value: Double) -> String {
    "\((value * 10).rounded() / 10)"
}
