import EchoClient
import EchoSockets

/// A change since a baseline, in words.
enum BenchChange {
    /// Such as `select, 1 connection, 64 bytes: p99 12.3us -> 15.1us (1.23x)`.
    static func text(_ change: EchoBench.Change, in report: EchoBench.Report) -> String {
        let name = report.subjects[change.subject].name.escapedForLog
        let load = BenchNames.load(report.plan.loads[change.load])
        let ratio = change.ratio.map { " (\(BenchNumber.ratio($0.ratio)))" } ?? ""
        return "\(name), \(load): \(BenchNames.column(change.metric)) "
            + "\(BenchNumber.text(change.before.median, change.metric)) -> "
            + "\(BenchNumber.text(change.after.median, change.metric))\(ratio)"
    }
}

extension EchoBench.Ratio {
    /// Whether the figure is better than the one it is compared with, `false` if it is worse, `nil`
    /// if the difference is within the noise or not known.
    func isBetter(_ metric: EchoBench.Metric) -> Bool? {
        guard let isHigherBetter = metric.isHigherBetter else { return nil }
        return switch verdict {
        case .higher: isHigherBetter
        case .lower: !isHigherBetter
        case .same, .unknown: nil
        }
    }
}
