import EchoClient
import EchoSockets

/// A condition under which a bench fails, such as `p99>2ms`, `completion-port:rate<100000/s` or,
/// compared with a baseline, `cpu>1.2x`.
struct FailCondition: Hashable, Sendable {
    /// How a figure and a bound are compared.
    enum Comparison: String, CaseIterable, Sendable {
        case atLeast = ">="
        case atMost = "<="
        case above = ">"
        case below = "<"

        func holds(_ value: Double, _ bound: Double) -> Bool {
            switch self {
            case .atLeast: value >= bound
            case .atMost: value <= bound
            case .above: value > bound
            case .below: value < bound
            }
        }
    }

    /// What a figure is compared with.
    enum Bound: Hashable, Sendable {
        /// A value in the metric's own unit.
        case value(Double)
        /// A multiple of the baseline's value.
        case ratio(Double)
    }

    /// The text that it was parsed from.
    let text: String
    /// The only server that it is about; `nil` for all of them.
    let subject: String?
    /// The figure.
    let metric: EchoBench.Metric
    /// How it is compared.
    let comparison: Comparison
    /// What it is compared with.
    let bound: Bound

    /// Whether it compares with a baseline.
    var needsBaseline: Bool {
        if case .ratio = bound { true } else { false }
    }

    /// The figures that break it, each in a line; none if it does not hold.
    ///
    /// A figure that is missing breaks it as well: a check that cannot be made must not pass. A
    /// ratio to the baseline breaks it only if the figures differ beyond the noise, or there are
    /// too few rounds to tell.
    func broken(by report: EchoBench.Report, baseline: EchoBench.Report? = nil) -> [String] {
        let results = report.results.filter { result in
            subject == nil || report.subject(of: result)?.name == subject
        }
        guard !results.isEmpty else {
            return ["\(text): there is no result of \(subject ?? "any server")".escapedForLog]
        }
        return results.compactMap { result in
            guard let load = report.load(of: result), let server = report.subject(of: result)
            else { return nil }
            guard let finding = finding(result, report, baseline) else { return nil }
            return "\(text): \(server.name), \(BenchNames.load(load)): \(finding)".escapedForLog
        }
    }

    private func finding(
        _ result: EchoBench.Result,
        _ report: EchoBench.Report,
        _ baseline: EchoBench.Report?
    ) -> String? {
        let name = metric.rawValue
        guard let estimate = report.estimate(metric, of: result) else {
            // Nothing is sent on schedule in a closed loop, so nothing is missed.
            if metric == .missed, report.load(of: result)?.isOpenLoop == false { return nil }
            // A connection loses nothing.
            if metric == .lost, !result.rounds.isEmpty { return nil }
            return "there is no \(name)\(result.failure.map { ": \($0)" } ?? "")"
        }
        let value = FailUnit.text(estimate.median, metric)
        switch bound {
        case .value(let bound):
            return comparison.holds(estimate.median, bound) ? "\(name) is \(value)" : nil
        case .ratio(let bound):
            guard let earlier = baseline?.counterpart(of: result, in: report),
                let before = baseline?.estimate(metric, of: earlier),
                let ratio = EchoBench.Ratio(estimate, to: before)
            else { return "the baseline has no \(name) to compare with" }
            guard ratio.verdict != .same, comparison.holds(ratio.ratio, bound) else { return nil }
            let factor = BenchNumber.ratio(ratio.ratio)
            let old = FailUnit.text(before.median, metric)
            return "\(name) is \(value), \(factor) the baseline's \(old)"
        }
    }
}
