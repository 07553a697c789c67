import EchoClient

/// What a JSON report holds: the report's own keys, and what is computed from it.
struct BenchContent: Encodable {
    let report: EchoBench.Report
    let baseline: EchoBench.Report?

    private enum Key: String, CodingKey {
        case summary
        case comparison
    }

    func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(report.results.map(summary), forKey: .summary)
        if let baseline {
            try container.encode(comparison(with: baseline), forKey: .comparison)
        }
    }

    /// The figures of one server under one load.
    private struct Summary: Encodable {
        let subject: String
        let load: Int
        let figures: [String: EchoBench.Estimate]
        let ratios: [String: EchoBench.Ratio]
    }

    private struct Comparison: Encodable {
        let started: String
        let tool: String
        let changes: [Change]
        let reservations: [String]
    }

    private struct Change: Encodable {
        let subject: String
        let load: Int
        let metric: EchoBench.Metric
        let before: EchoBench.Estimate
        let after: EchoBench.Estimate
        let ratio: EchoBench.Ratio?
        let isBetter: Bool?
    }

    private func summary(_ result: EchoBench.Result) -> Summary {
        let first = report.results(ofLoad: result.load).first { $0.subject == 0 }
        var figures: [String: EchoBench.Estimate] = [:]
        var ratios: [String: EchoBench.Ratio] = [:]
        for metric in EchoBench.Metric.allCases {
            figures[metric.rawValue] = report.estimate(metric, of: result)
            guard let first, result.subject != 0 else { continue }
            ratios[metric.rawValue] = report.ratio(metric, of: result, to: first)
        }
        return Summary(
            subject: report.subject(of: result)?.name ?? "",
            load: result.load,
            figures: figures,
            ratios: ratios
        )
    }

    private func comparison(with baseline: EchoBench.Report) -> Comparison {
        Comparison(
            started: baseline.started,
            tool: baseline.tool,
            changes: report.changes(since: baseline).map { change in
                Change(
                    subject: report.subjects[change.subject].name,
                    load: change.load,
                    metric: change.metric,
                    before: change.before,
                    after: change.after,
                    ratio: change.ratio,
                    isBetter: change.isBetter
                )
            },
            reservations: report.reservations(about: baseline)
        )
    }
}
