import EchoClient

/// What a report says, in plain words.
///
/// Only differences beyond the noise are called differences.
struct BenchWords {
    let report: EchoBench.Report
    /// How names of servers are written.
    var marked: @Sendable (String) -> String = { $0 }
    /// How other texts of the report are written.
    var quoted: @Sendable (String) -> String = { $0 }

    /// Sentences about each load that has results.
    func paragraphs() -> [(load: Int, sentences: [String])] {
        report.plan.loads.indices.compactMap { load in
            // On a schedule, every server that keeps up has the same rate.
            let metrics = BenchNames.compared.filter {
                $0 != .rate || !report.plan.loads[load].isOpenLoop
            }
            let sentences = failures(load) + metrics.compactMap { sentence($0, load: load) }
            return sentences.isEmpty ? nil : (load, sentences)
        }
    }

    /// Who is best under how many loads, alone or within the noise; empty for a single server or
    /// load, or without a verdict.
    func overall() -> [String] {
        let loads = report.plan.loads.indices
        guard report.subjects.count > 1, loads.count > 1 else { return [] }
        return BenchNames.compared.compactMap { metric in
            let rankings = loads.map { report.ranking(metric, load: $0) }.filter { $0.count > 1 }
            let isDecided = rankings.allSatisfy { places in
                places.dropFirst().allSatisfy { $0.toBest.map { $0.verdict != .unknown } ?? false }
            }
            guard rankings.count > 1, isDecided else { return nil }
            let counts = report.subjects.indices.map { subject in
                rankings.count { places in
                    let place = places.first { $0.subject == subject }
                    return place.map { $0 == places[0] || $0.toBest?.verdict == .same } ?? false
                }
            }
            let best = counts.indices.filter { counts[$0] > 0 }.sorted { left, right in
                counts[left] == counts[right] ? left < right : counts[left] > counts[right]
            }
            let parts = best.map { index in
                let count = counts[index] == rankings.count ? "all" : "\(counts[index]) of"
                return "\(marked(report.subjects[index].name)) (\(count) \(rankings.count) loads)"
            }
            return "\(superlative(metric)), alone or within the noise: \(list(parts))."
        }
    }

    /// What limits what the figures say.
    func reservations() -> [String] {
        let most = report.results.map(\.rounds.count).max() ?? 0
        guard most > 0, most < EchoBench.Estimate.leastRounds, report.subjects.count > 1 else {
            return []
        }
        return [
            """
            With \(most) round\(most == 1 ? "" : "s"), chance cannot be told from a difference: \
            measure at least \(EchoBench.Estimate.leastRounds).
            """
        ]
    }

    private func failures(_ load: Int) -> [String] {
        report.results(ofLoad: load).compactMap { result in
            let name = marked(report.subjects[result.subject].name)
            let wrong = result.rounds.reduce(0.0) { $0 + Double($1.wrongBytes) }
            if wrong > 0 {
                return "\(name) returned \(BenchNumber.fixed(wrong, 0)) wrong bytes."
            }
            return result.failure.map { reason in
                "\(name) failed: \(quoted(reason))\(reason.hasSuffix(".") ? "" : ".")"
            }
        }
    }

    /// Who is best in a figure, who is as good, and by how much the others are worse.
    func sentence(_ metric: EchoBench.Metric, load: Int) -> String? {
        let places = report.ranking(metric, load: load)
        guard let best = places.first else { return nil }
        let value = BenchNumber.phrase(best.estimate.median, metric)
        guard places.count > 1 else {
            return "\(name(best)): \(value) (\(BenchNames.noun(metric)))."
        }
        let others = places.dropFirst()
        let undecided = others.filter { $0.toBest?.verdict ?? .unknown == .unknown }
        guard undecided.isEmpty else { return uncertain(metric, places, value) }
        let equal = others.filter { $0.toBest?.verdict == .same }
        let worse = others.filter { $0.toBest?.verdict != .same }
        let head = "\(superlative(metric)): \(name(best)) with \(value)"
        if worse.isEmpty {
            return "\(head); \(others.count == 1 ? name(others[1]) + " is" : "all others are") "
                + "within the noise."
        }
        let tie =
            equal.isEmpty
            ? "" : "; \(list(equal.map(name))) \(equal.count == 1 ? "is" : "are") within the noise"
        return "\(head)\(tie). \(behind(Array(worse), of: others.count))."
    }

    // Each of up to two, else the nearest and the farthest.
    private func behind(_ places: [EchoBench.Place], of others: Int) -> String {
        let ratios = places.map { $0.toBest?.ratio ?? 1 }
        guard places.count > 2, let near = ratios.first, let far = ratios.last else {
            return list(
                zip(places, ratios).map { place, ratio in
                    "\(name(place)) \(ratio > 1 ? "takes" : "reaches") \(distance(ratio))"
                }
            )
        }
        let who = places.count == others ? "The others" : "The other \(places.count)"
        return "\(who) \(near > 1 ? "take" : "reach") \(distance(near)) (\(name(places[0]))) to "
            + "\(distance(far)) (\(name(places[places.count - 1])))"
    }

    // Without a verdict, the order is only what was seen.
    private func uncertain(
        _ metric: EchoBench.Metric,
        _ places: [EchoBench.Place],
        _ value: String
    ) -> String {
        let last = places.last.map { place in
            ", to \(name(place)) with \(BenchNumber.phrase(place.estimate.median, metric))"
        }
        return "\(superlative(metric)): \(name(places[0])) with \(value)\(last ?? ""); "
            + "too few rounds to tell."
    }

    private func superlative(_ metric: EchoBench.Metric) -> String {
        switch metric {
        case .rate, .throughput: "Most echoes"
        case .cpu: "Least CPU time per echo"
        case .memory: "Least memory per connection"
        default: "Lowest \(BenchNames.column(metric))"
        }
    }

    /// A ratio in words.
    private func distance(_ ratio: Double) -> String {
        if ratio >= 1.995 { return "\(BenchNumber.significant(ratio)) times as much" }
        return ratio > 1
            ? "\(BenchNumber.percent(ratio - 1, .page)) more"
            : "\(BenchNumber.percent(1 - ratio, .page)) less"
    }

    private func name(_ place: EchoBench.Place) -> String {
        marked(report.subjects[place.subject].name)
    }

    private func list(_ parts: [String]) -> String {
        parts.count < 2
            ? parts.joined()
            : parts.dropLast().joined(separator: ", ") + " and " + (parts.last ?? "")
    }
}
