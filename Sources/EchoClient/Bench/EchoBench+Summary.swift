extension EchoBench.Report {
    /// A figure of one server under one load.
    ///
    /// It is the median over rounds. Counts of faults are sums. A percentile that no round has is
    /// that of all rounds together, which has no spread.
    ///
    /// - Parameters:
    ///   - metric: which.
    ///   - result: of the server and load.
    /// - Returns: `nil` if it was not measured.
    package func estimate(
        _ metric: EchoBench.Metric,
        of result: EchoBench.Result
    ) -> EchoBench.Estimate? {
        let values = values(of: metric, in: result).compactMap(\.self)
        if metric.isTotal {
            return values.isEmpty ? nil : EchoBench.Estimate([values.reduce(0, +)])
        }
        if let estimate = EchoBench.Estimate(values) { return estimate }
        return metric.percentile.flatMap { latency(of: result)?.value(at: $0) }
            .flatMap { EchoBench.Estimate([$0]) }
    }

    /// A figure of each round; `nil` for those that lack it.
    package func values(
        of metric: EchoBench.Metric,
        in result: EchoBench.Result
    ) -> [Double?] {
        let isOpenLoop = load(of: result)?.isOpenLoop ?? false
        return result.rounds.map { $0.value(of: metric, isOpenLoop: isOpenLoop) }
    }

    /// The latency that users see: from the intended moment of sending, if there was a schedule.
    package func latency(of result: EchoBench.Result) -> EchoBench.Latency? {
        load(of: result)?.isOpenLoop == true ? result.response : result.service
    }

    /// A figure of one server as a multiple of another's under the same load.
    ///
    /// - Returns: `nil` if either lacks it, and for sums.
    package func ratio(
        _ metric: EchoBench.Metric,
        of result: EchoBench.Result,
        to other: EchoBench.Result
    ) -> EchoBench.Ratio? {
        guard !metric.isTotal else { return nil }
        let paired = EchoBench.Ratio(
            values(of: metric, in: result),
            to: values(of: metric, in: other)
        )
        if let paired { return paired }
        guard let estimate = estimate(metric, of: result),
            let base = self.estimate(metric, of: other)
        else { return nil }
        return EchoBench.Ratio(estimate, to: base)
    }

    /// The load of a result.
    package func load(of result: EchoBench.Result) -> EchoBench.Load? {
        plan.loads.indices.contains(result.load) ? plan.loads[result.load] : nil
    }

    /// The server of a result.
    package func subject(of result: EchoBench.Result) -> EchoBench.Subject? {
        subjects.indices.contains(result.subject) ? subjects[result.subject] : nil
    }

    /// The results of a load, in the order of the servers.
    package func results(ofLoad load: Int) -> [EchoBench.Result] {
        results.filter { $0.load == load && subjects.indices.contains($0.subject) }
            .sorted { $0.subject < $1.subject }
    }

    /// The loads' indices in groups that differ in the number of connections only, each ascending.
    package var sweeps: [[Int]] {
        var groups: [(shape: EchoBench.Load, loads: [Int])] = []
        for (index, load) in plan.loads.enumerated() {
            var shape = load
            shape.connections = 0
            if let group = groups.firstIndex(where: { $0.shape == shape }) {
                groups[group].loads.append(index)
            } else {
                groups.append((shape, [index]))
            }
        }
        return groups.map { group in
            group.loads.sorted { plan.loads[$0].connections < plan.loads[$1].connections }
        }
    }

    /// The servers of a load, the best first, with their distance from it.
    ///
    /// - Parameters:
    ///   - metric: what decides.
    ///   - load: the load's index.
    /// - Returns: those that have the figure and returned no wrong byte.
    package func ranking(_ metric: EchoBench.Metric, load: Int) -> [EchoBench.Place] {
        let isHigherBetter = metric.isHigherBetter ?? false
        let sound = results(ofLoad: load).filter { result in
            result.failure == nil && result.rounds.allSatisfy { $0.wrongBytes == 0 }
        }
        let found = sound.compactMap { result in
            estimate(metric, of: result).map { (result: result, estimate: $0) }
        }
        let sorted = found.enumerated().sorted { left, right in
            let (a, b) = (left.element.estimate.median, right.element.estimate.median)
            return a == b ? left.offset < right.offset : (a > b) == isHigherBetter
        }.map(\.element)
        return sorted.map { entry in
            EchoBench.Place(
                subject: entry.result.subject,
                estimate: entry.estimate,
                toBest: sorted.first.flatMap { ratio(metric, of: entry.result, to: $0.result) }
            )
        }
    }
}

extension EchoBench {
    /// A server's place in a ranking.
    package struct Place: Hashable, Sendable {
        /// The server: an index of ``Report/subjects``.
        package let subject: Int
        /// Its figure.
        package let estimate: Estimate
        /// The figure as a multiple of the best.
        package let toBest: Ratio?
    }
}
