import EchoClient

/// The charts of a report.
struct BenchCharts {
    /// A drawing with the table of its values.
    struct Chart {
        let title: String
        let svg: String
        /// The columns of the table.
        let header: [String]
        /// The rows of the table, each led by a server's name.
        let rows: [[String]]
    }

    let report: EchoBench.Report

    /// A figure under each load: over the number of connections where that varies, else as bars.
    func charts(of metric: EchoBench.Metric) -> [Chart] {
        report.sweeps.flatMap { loads -> [Chart] in
            let measured = loads.filter { load in
                report.results(ofLoad: load).contains { report.estimate(metric, of: $0) != nil }
            }
            let counts = Set(measured.map { report.plan.loads[$0].connections })
            return counts.count > 1
                ? [lines(metric, measured)] : measured.map { bars(metric, $0) }
        }
    }

    /// The distribution of latencies under each load.
    func latencies() -> [Chart] {
        report.plan.loads.indices.compactMap(tail)
    }

    private func lines(_ metric: EchoBench.Metric, _ loads: [Int]) -> Chart {
        let series = report.subjects.indices.compactMap { subject -> ChartSeries? in
            let points = loads.compactMap { load in
                estimate(metric, subject, load).map { estimate in
                    ChartSeries.Point(
                        x: Double(report.plan.loads[load].connections),
                        y: estimate.median,
                        interval: estimate.rounds > 1 ? estimate.low...estimate.high : nil
                    )
                }
            }
            guard !points.isEmpty else { return nil }
            return ChartSeries(name: report.subjects[subject].name, index: subject, points: points)
        }
        let shape = BenchNames.shape(report.plan.loads[loads[0]]).joined(separator: ", ")
        let least = report.plan.loads[loads[0]].connections
        let most = BenchNames.connections(report.plan.loads[loads[loads.count - 1]])
        let title = "\(Self.title(metric)), \(least) to \(most), \(shape)"
        let points = series.flatMap(\.points)
        let chart = ChartLines(
            title: title,
            description: description(metric, loads),
            identifier: "\(metric.rawValue)-\(loads[0])",
            series: series,
            xAxis: .marked(points.map(\.x)) { BenchNumber.tick(BenchNumber.short($0)) },
            yAxis: Self.axis(metric, points.flatMap { [$0.y, $0.interval?.upperBound ?? $0.y] }),
            xTitle: "connections (logarithmic)",
            yTitle: Self.unit(metric)
        )
        return Chart(
            title: title,
            svg: chart.svg,
            header: loads.map { BenchNames.connections(report.plan.loads[$0]) },
            rows: rows(metric, loads)
        )
    }

    private func bars(_ metric: EchoBench.Metric, _ load: Int) -> Chart {
        let estimates = report.subjects.indices.compactMap { subject in
            estimate(metric, subject, load).map { (subject: subject, estimate: $0) }
        }
        let title = "\(Self.title(metric)), \(BenchNames.load(report.plan.loads[load]))"
        let chart = ChartBars(
            title: title,
            description: description(metric, [load]),
            identifier: "\(metric.rawValue)-\(load)",
            bars: estimates.map { subject, estimate in
                ChartBars.Bar(
                    name: report.subjects[subject].name,
                    index: subject,
                    value: estimate.median,
                    interval: estimate.rounds > 1 ? estimate.low...estimate.high : nil,
                    label: BenchNumber.text(estimate.median, metric, .page)
                )
            },
            axis: Self.axis(metric, estimates.map(\.estimate.high), isLinear: true),
            axisTitle: Self.unit(metric)
        )
        return Chart(
            title: title,
            svg: chart.svg,
            header: [BenchNames.column(metric, .page)],
            rows: rows(metric, [load])
        )
    }

    private func tail(_ load: Int) -> Chart? {
        let results = report.results(ofLoad: load)
        let series = results.compactMap { result -> ChartSeries? in
            let curve = report.latency(of: result)?.curve ?? []
            let points = curve.filter { (0..<100).contains($0.percentile) }.map {
                ChartSeries.Point(x: $0.percentile, y: Double(max($0.nanoseconds, 1)))
            }
            guard points.count > 1 else { return nil }
            let name = report.subjects[result.subject].name
            return ChartSeries(name: name, index: result.subject, points: points)
        }
        guard !series.isEmpty else { return nil }
        let points = series.flatMap(\.points)
        let start = report.plan.loads[load].isOpenLoop ? "from the moment due" : "from sending"
        let title = "Latency, \(BenchNames.load(report.plan.loads[load]))"
        let chart = ChartLines(
            title: title,
            description: description(.p99, [load]),
            identifier: "latency-\(load)",
            series: series,
            xAxis: .tail(upTo: points.map(\.x).max() ?? 99),
            yAxis: .logarithmic(points.map(\.y)) {
                BenchNumber.tick(BenchNumber.time($0, .page))
            },
            xTitle: "percentile (logarithmic towards 100)",
            yTitle: "time \(start) to the whole echo (logarithmic)",
            hasSigns: false
        )
        return Chart(title: title, svg: chart.svg, header: tailHeader, rows: tailRows(results))
    }

    private static let percentiles: [Double] = [50, 90, 99, 99.9, 99.99]

    private var tailHeader: [String] {
        ["minimum"] + Self.percentiles.map { "p\(ChartAxis.percentile($0))" } + [
            "maximum", "echoes",
        ]
    }

    private func tailRows(_ results: [EchoBench.Result]) -> [[String]] {
        results.compactMap { result in
            guard let latency = report.latency(of: result) else { return nil }
            let values =
                [Double(latency.minimum)] + Self.percentiles.map(latency.value)
                + [Double(latency.maximum)]
            return [report.subjects[result.subject].name]
                + values.map { $0.map { BenchNumber.time($0, .page) } ?? "–" }
                + [BenchNumber.grouped(latency.samples)]
        }
    }

    private func rows(_ metric: EchoBench.Metric, _ loads: [Int]) -> [[String]] {
        report.subjects.indices.map { subject in
            [report.subjects[subject].name]
                + loads.map { load in
                    estimate(metric, subject, load).map { estimate in
                        BenchNumber.text(estimate.median, metric, .page)
                            + (estimate.spread.map { " ± \(BenchNumber.percent($0, .page))" } ?? "")
                    } ?? "–"
                }
        }
    }

    private func estimate(
        _ metric: EchoBench.Metric,
        _ subject: Int,
        _ load: Int
    ) -> EchoBench.Estimate? {
        report.results.first { $0.subject == subject && $0.load == load }
            .flatMap { report.estimate(metric, of: $0) }
    }

    /// What a chart shows, for those who do not see it.
    private func description(_ metric: EchoBench.Metric, _ loads: [Int]) -> String {
        let words = BenchWords(report: report)
        let sentences = [loads.first, loads.last].compactMap(\.self).map { load in
            let sentence = words.sentence(metric, load: load) ?? ""
            return loads.count > 1
                ? "With \(BenchNames.connections(report.plan.loads[load])): \(sentence)" : sentence
        }
        let parts = loads.count > 1 ? sentences : Array(sentences.prefix(1))
        return (parts + ["The values are in the table below."]).joined(separator: " ")
    }

    private static func title(_ metric: EchoBench.Metric) -> String {
        switch metric {
        case .rate: "Throughput"
        case .p99: "Latency (p99)"
        case .cpu: "CPU time per echo"
        case .memory: "Memory per connection"
        default:
            BenchNames.noun(metric).prefix(1).uppercased() + BenchNames.noun(metric).dropFirst()
        }
    }

    private static func unit(_ metric: EchoBench.Metric) -> String {
        switch metric {
        case .rate: "echoes per second"
        case .p99: "99 % of the echoes take no longer"
        case .cpu: "microseconds per echo"
        case .memory: "memory per connection"
        default: BenchNames.noun(metric)
        }
    }

    // Times over connections span orders of magnitude; lengths of bars must be in proportion.
    private static func axis(
        _ metric: EchoBench.Metric,
        _ values: [Double],
        isLinear: Bool = false
    ) -> ChartAxis {
        func label(_ value: Double) -> String {
            BenchNumber.tick(BenchNumber.text(value, metric, .page))
        }
        guard isLinear || metric.percentile == nil else { return .logarithmic(values, label) }
        guard metric == .memory else { return .fromZero(values, label) }
        let highest = values.max() ?? 0
        let unit = [1_048_576.0, 1024].first { highest >= $0 } ?? 1
        return .fromZero(values, unit: unit, label)
    }
}
