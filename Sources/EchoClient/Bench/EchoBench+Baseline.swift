extension EchoBench {
    /// A figure that an earlier report has as well.
    package struct Change: Hashable, Sendable {
        /// The server: an index of the later ``Report/subjects``.
        package let subject: Int
        /// The load: an index of the later ``Plan/loads``.
        package let load: Int
        /// Which figure.
        package let metric: Metric
        /// Its earlier value.
        package let before: Estimate
        /// Its later value.
        package let after: Estimate
        /// The later value as a multiple of the earlier; `nil` for sums, or if that was zero.
        package let ratio: Ratio?

        /// Whether it is better, `false` if it is worse, `nil` if the difference is within the
        /// noise or not known.
        package var isBetter: Bool? {
            guard let isHigherBetter = metric.isHigherBetter else { return nil }
            if metric.isTotal {
                return after.median == before.median ? nil : after.median < before.median
            }
            return switch ratio?.verdict {
            case .higher: isHigherBetter
            case .lower: !isHigherBetter
            default: nil
            }
        }
    }
}

extension EchoBench.Report {
    /// The figures that an earlier report has for a server of the same name under the same load.
    package func changes(since baseline: EchoBench.Report) -> [EchoBench.Change] {
        results.flatMap { result -> [EchoBench.Change] in
            guard let earlier = baseline.counterpart(of: result, in: self) else { return [] }
            return EchoBench.Metric.allCases.compactMap { metric in
                guard metric != .client, let after = estimate(metric, of: result),
                    let before = baseline.estimate(metric, of: earlier)
                else { return nil }
                return EchoBench.Change(
                    subject: result.subject,
                    load: result.load,
                    metric: metric,
                    before: before,
                    after: after,
                    ratio: metric.isTotal ? nil : EchoBench.Ratio(after, to: before)
                )
            }
        }
    }

    /// This report's result for the server and load of another report's result.
    package func counterpart(
        of result: EchoBench.Result,
        in report: EchoBench.Report
    ) -> EchoBench.Result? {
        guard let name = report.subject(of: result)?.name, let load = report.load(of: result)
        else { return nil }
        return results.first { subject(of: $0)?.name == name && self.load(of: $0) == load }
    }

    /// What limits a comparison with an earlier report, in whole sentences.
    package func reservations(about baseline: EchoBench.Report) -> [String] {
        let pairs: [(what: String, before: String?, after: String?)] = [
            ("kernel", baseline.environment.kernel, environment.kernel),
            ("processor", baseline.environment.processor, environment.processor),
            (
                "number of processors", "\(baseline.environment.processors)",
                "\(environment.processors)"
            ),
            (
                "frequency governor", baseline.environment.frequencyGovernor,
                environment.frequencyGovernor
            ),
            (
                "length of a round", "\(baseline.plan.roundSeconds) s", "\(plan.roundSeconds) s"
            ),
        ]
        var sentences = pairs.filter { $0.before != $0.after }.map { pair in
            "The \(pair.what) was \(pair.before ?? "unknown"), and is \(pair.after ?? "unknown")."
        }
        let missing = results.count { baseline.counterpart(of: $0, in: self) == nil }
        if missing > 0 {
            sentences.append(
                "The baseline lacks \(missing) of \(results.count) combinations of server and load."
            )
        }
        return sentences
    }
}
