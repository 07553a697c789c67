import EchoClient

/// The tables of a report's page.
struct BenchPageTables {
    let report: EchoBench.Report

    /// All figures under a load, with a row for each server.
    func figures(ofLoad load: Int) -> String {
        let results = report.results(ofLoad: load)
        let metrics = BenchNames.columns(of: report, loads: [load])
        let head = metrics.map { heading(BenchNames.column($0, .page), BenchNames.noun($0)) }
        let rows = results.map { result in
            let cells = metrics.map { cell($0, result) }.joined()
            let failure = result.failure.map { reason in
                let text = "\(report.subjects[result.subject].name) failed: \(reason)"
                let cell = Markup.text(
                    "td",
                    ["class": "failure", "colspan": "\(metrics.count + 1)"],
                    text
                )
                return Markup.element("tr", [:], cell)
            }
            return Markup.element("tr", [:], rowHead(result.subject) + cells) + (failure ?? "")
        }
        return Self.table(
            caption: BenchNames.load(report.plan.loads[load]),
            head: head,
            rows: rows
        )
    }

    /// The values of a chart.
    func data(of chart: BenchCharts.Chart) -> String {
        let rows = chart.rows.map { row in
            Markup.text("th", ["scope": "row"], row.first ?? "")
                + row.dropFirst().map { Markup.text("td", [:], $0) }.joined()
        }
        return Markup.element(
            "details",
            [:],
            Markup.text("summary", [:], "The values as a table")
                + Self.table(
                    caption: chart.title,
                    head: chart.header.map { heading($0) },
                    rows: rows.map { Markup.element("tr", [:], $0) }
                )
        )
    }

    /// What changed since a baseline, without what did not.
    func changes(_ changes: [EchoBench.Change]) -> String {
        let head = ["Load", "Figure", "Before", "Now", "Ratio", "Verdict"].map { heading($0) }
        let rows = changes.compactMap { change -> String? in
            guard let isBetter = change.isBetter else { return nil }
            let metric = change.metric
            let cells = [
                BenchNames.load(report.plan.loads[change.load]),
                BenchNames.column(metric, .page),
                BenchNumber.text(change.before.median, metric, .page),
                BenchNumber.text(change.after.median, metric, .page),
                change.ratio.map { BenchNumber.ratio($0.ratio, .page) } ?? "–",
            ]
            let verdict = Markup.text(
                "td",
                ["class": isBetter ? "better" : "worse"],
                isBetter ? "better" : "worse"
            )
            return Markup.element(
                "tr",
                [:],
                rowHead(change.subject) + cells.map { Markup.text("td", [:], $0) }.joined()
                    + verdict
            )
        }
        return rows.isEmpty
            ? "" : Self.table(caption: "Beyond the noise", head: head, rows: rows)
    }

    private func cell(_ metric: EchoBench.Metric, _ result: EchoBench.Result) -> String {
        guard let estimate = report.estimate(metric, of: result) else {
            return Markup.text("td", ["class": "none"], "–")
        }
        var content = Markup.text(
            "span",
            ["class": "figure"],
            BenchNumber.text(estimate.median, metric, .page)
        )
        if let spread = estimate.spread {
            content += Markup.text("small", [:], "± \(BenchNumber.percent(spread, .page))")
        }
        if BenchNames.compared.contains(metric), result.subject != 0,
            let first = report.results(ofLoad: result.load).first, first.subject == 0,
            let ratio = report.ratio(metric, of: result, to: first)
        {
            content += self.ratio(ratio, metric)
        }
        let isFault = [.wrong, .failed].contains(metric) && estimate.median > 0
        return Markup.element("td", isFault ? ["class": "worse"] : [:], content)
    }

    private func ratio(_ ratio: EchoBench.Ratio, _ metric: EchoBench.Metric) -> String {
        let isBetter = ratio.isBetter(metric)
        let name = isBetter.map { $0 ? "better" : "worse" } ?? "even"
        let sign = ratio.verdict == .same ? "≈ " : ""
        return Markup.text(
            "span",
            ["class": "ratio \(name)"],
            sign + BenchNumber.ratio(ratio.ratio, .page)
        )
    }

    private func rowHead(_ subject: Int) -> String {
        Markup.element("th", ["scope": "row"], Self.key(subject, report.subjects[subject].name))
    }

    /// A server's sign and name.
    static func key(_ subject: Int, _ name: String) -> String {
        let sign = Markup.element(
            "svg",
            [
                "class": "key \(ChartFrame.seriesClass(subject))", "viewBox": "-6 -6 12 12",
                "aria-hidden": "true",
            ],
            ChartFrame.sign(subject, at: (0, 0))
        )
        return Markup.element("span", ["class": "server"], sign + Markup.text("span", [:], name))
    }

    private func heading(_ text: String, _ meaning: String? = nil) -> String {
        guard let meaning else { return Markup.text("th", ["scope": "col"], text) }
        return Markup.text("th", ["scope": "col", "title": meaning], text)
    }

    // On narrow screens it scrolls, also by keyboard.
    private static func table(caption: String, head: [String], rows: [String]) -> String {
        let corner = Markup.text("th", ["scope": "col"], "Server")
        let table = Markup.element(
            "table",
            [:],
            Markup.text("caption", [:], caption)
                + Markup.element(
                    "thead",
                    [:],
                    Markup.element("tr", [:], corner + head.joined())
                ) + Markup.element("tbody", [:], rows.joined(separator: "\n"))
        )
        return Markup.element(
            "div",
            ["class": "scroll", "role": "region", "tabindex": "0", "aria-label": caption],
            table
        )
    }
}
