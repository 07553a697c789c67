import EchoClient

/// A report as a page of HTML that needs nothing else: no script, no file, no network.
struct BenchPage {
    private let report: EchoBench.Report
    private let baseline: EchoBench.Report?
    private let tables: BenchPageTables
    private let charts: BenchCharts

    /// The page, which is well-formed XML as well.
    static func html(_ report: EchoBench.Report, baseline: EchoBench.Report? = nil) -> String {
        BenchPage(
            report: report,
            baseline: baseline,
            tables: BenchPageTables(report: report),
            charts: BenchCharts(report: report)
        ).page
    }

    private var page: String {
        let sections = [
            warnings, summary, changes,
            chartSection("Throughput and cost", BenchNames.compared.flatMap(charts.charts)),
            chartSection("Latency in full", charts.latencies()),
            figures, BenchPageSetting.section(report), reading,
        ]
        let main = Markup.element("main", [:], "\n" + sections.joined(separator: "\n") + "\n")
        let body = Markup.element("body", [:], "\n\(header)\n\(main)\n")
        return "<!DOCTYPE html>\n"
            + Markup.element("html", ["lang": "en"], "\n\(head)\n\(body)\n") + "\n"
    }

    private var head: String {
        // Nothing may be loaded, whatever a text may look like.
        let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        let lines = [
            Markup.element("meta", ["charset": "utf-8"], nil),
            Markup.element(
                "meta",
                ["http-equiv": "Content-Security-Policy", "content": policy],
                nil
            ),
            Markup.element(
                "meta",
                ["name": "viewport", "content": "width=device-width, initial-scale=1"],
                nil
            ),
            Markup.element("meta", ["name": "color-scheme", "content": "light dark"], nil),
            Markup.element("link", ["rel": "icon", "href": "data:,"], nil),
            Markup.text("title", [:], "Echo bench, \(report.started)"),
            Markup.element("style", [:], BenchPageStyle.sheet),
        ]
        return Markup.element("head", [:], "\n" + lines.joined(separator: "\n") + "\n")
    }

    private var header: String {
        let plan = report.plan
        let facts = [
            count(report.subjects.count, "server"), count(plan.loads.count, "load"),
            "\(count(plan.rounds, "round")) of \(BenchNumber.seconds(plan.roundSeconds)) each",
            BenchPageSetting.moment(report.started),
        ]
        let keys = report.subjects.enumerated().map { index, subject in
            Markup.element("li", [:], BenchPageTables.key(index, subject.name))
        }
        return Markup.element(
            "header",
            [:],
            Markup.text("h1", [:], "Echo bench")
                + Markup.text("p", ["class": "facts"], facts.joined(separator: " · "))
                + Markup.element(
                    "ul",
                    ["class": "keys", "aria-label": "Servers"],
                    keys.joined()
                )
        )
    }

    private var warnings: String {
        let all = report.warnings + BenchWords(report: report).reservations()
        guard !all.isEmpty else { return "" }
        return section(
            "Warnings",
            "warnings",
            Markup.element("ul", [:], all.map { Markup.text("li", [:], $0) }.joined())
        )
    }

    private var words: BenchWords {
        BenchWords(
            report: report,
            marked: { Markup.text("b", [:], $0) },
            quoted: { Markup.escaped($0) }
        )
    }

    private var summary: String {
        let cards = words.paragraphs().map { load, sentences in
            let items = sentences.map { Markup.element("li", [:], $0) }
            return Markup.element(
                "div",
                ["class": "card"],
                Markup.text("h3", [:], BenchNames.load(report.plan.loads[load]))
                    + Markup.element("ul", [:], items.joined())
            )
        }
        guard !cards.isEmpty else {
            return section("In short", "summary", Markup.text("p", [:], "Nothing was measured."))
        }
        let overall = words.overall().map { Markup.element("li", [:], $0) }
        let list =
            overall.isEmpty ? "" : Markup.element("ul", ["class": "overall"], overall.joined())
        return section(
            "In short",
            "summary",
            list + Markup.element("div", ["class": "cards"], cards.joined(separator: "\n"))
        )
    }

    private var changes: String {
        guard let baseline else { return "" }
        let changes = report.changes(since: baseline)
        let same = changes.count { $0.isBetter == nil }
        var notes = ["\(same) of \(changes.count) figures have not changed beyond the noise."]
        notes += report.reservations(about: baseline)
        return section(
            "Since the baseline of \(BenchPageSetting.moment(baseline.started))",
            "changes",
            tables.changes(changes) + notes.map { Markup.text("p", [:], $0) }.joined()
        )
    }

    private func chartSection(_ title: String, _ charts: [BenchCharts.Chart]) -> String {
        guard !charts.isEmpty else { return "" }
        let figures = charts.map { chart in
            Markup.element(
                "figure",
                [:],
                Markup.text("figcaption", [:], chart.title) + chart.svg
                    + tables.data(of: chart)
            )
        }
        return section(
            title,
            "charts",
            Markup.element("div", ["class": "grid"], figures.joined(separator: "\n"))
        )
    }

    private var figures: String {
        section(
            "All figures",
            "figures",
            report.plan.loads.indices.map(tables.figures).joined(separator: "\n")
        )
    }

    private var reading: String {
        let first = report.subjects.first?.name ?? "the first server"
        let lines = [
            "Each figure is the median over rounds; ± is half the interval in which the true "
                + "median lies, as a part of it. Of up to eight rounds, that is the whole range. "
                + "Percentiles without ± are of all rounds together.",
            "× is the median of the ratios to \(first), round by round. ≈ marks a difference "
                + "within the noise: the interval of the ratio includes 1, or the ratio differs from 1 by "
                + "less than 2 %. Fewer than five rounds allow no verdict.",
            "In charts, vertical or horizontal bars with the lines show the same interval.",
        ]
        return section(
            "How to read this",
            "reading",
            lines.map { Markup.text("p", [:], $0) }.joined()
        )
    }

    private func section(_ title: String, _ kind: String, _ content: String) -> String {
        Markup.element(
            "section",
            ["class": kind],
            Markup.text("h2", [:], title) + "\n" + content
        )
    }

    private func count(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
}
