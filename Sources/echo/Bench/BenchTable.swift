import EchoClient
import EchoSockets

/// A report for people at a terminal.
struct BenchTable {
    private let report: EchoBench.Report
    private let screen: Screen

    /// The report: what was measured, a block for each load with a row for each server, what
    /// changed since a baseline, and warnings.
    static func text(
        _ report: EchoBench.Report,
        _ screen: Screen,
        baseline: EchoBench.Report? = nil
    ) -> String {
        let table = BenchTable(report: report, screen: screen)
        var parts = [table.head()]
        parts += report.plan.loads.indices.map(table.block)
        if let baseline { parts.append(table.changes(since: baseline)) }
        parts.append(table.notes())
        return parts.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    private func head() -> String {
        let rounds = report.plan.rounds
        let plan =
            "\(rounds) round\(rounds == 1 ? "" : "s") of "
            + "\(BenchNumber.seconds(report.plan.roundSeconds)) each; medians, +- spread"
            + (report.subjects.count > 1 ? ", ratios to \(name(0)); ~ is within the noise" : "")
        return paragraph(plan)
    }

    /// The rows of one load, in as many pieces as the columns of the screen require.
    private func block(_ load: Int) -> String {
        let results = report.results(ofLoad: load)
        let metrics = BenchNames.columns(of: report, loads: [load])
        var columns = metrics.map { column($0, results) }
        let names = Column(
            head: "SERVER",
            cells: results.map { Cell(name($0.subject)) },
            isLeading: true
        )
        var text = paragraph(BenchNames.load(report.plan.loads[load]))
        while !columns.isEmpty {
            var piece = [names]
            repeat {
                piece.append(columns.removeFirst())
            } while columns.first.map { width(piece + [$0]) <= screen.columns } ?? false
            text += lines(piece)
        }
        for result in results {
            guard let failure = result.failure else { continue }
            text += screen.text("FAILED", .red)
            text += paragraph("       \(name(result.subject)): \(failure.escapedForLog)", from: 6)
        }
        return text
    }

    /// A column: as many parts as it has, each aligned.
    private struct Column {
        let head: String
        let cells: [Cell]
        var isLeading = false

        var width: Int { (cells.map(\.text.count) + [head.count]).max() ?? 0 }
    }

    /// A text whose end may have a colour.
    private struct Cell {
        let text: String
        let coloured: Int
        let colour: Screen.Colour?

        init(_ text: String, _ colour: Screen.Colour? = nil, coloured: Int? = nil) {
            (self.text, self.colour, self.coloured) = (text, colour, coloured ?? text.count)
        }
    }

    private func column(_ metric: EchoBench.Metric, _ results: [EchoBench.Result]) -> Column {
        let estimates = results.map { report.estimate(metric, of: $0) }
        let values = aligned(
            estimates.map { $0.map { BenchNumber.text($0.median, metric) } ?? "-" }
        )
        let spreads = aligned(
            estimates.map { $0?.spread.map { "+-" + BenchNumber.percent($0) } ?? "" }
        )
        let ratios = results.map { ratio(metric, of: $0) }
        let shown = aligned(ratios.map { $0?.text ?? "" })
        let cells = results.indices.map { row in
            let parts = [values[row], spreads[row], shown[row]].filter { !$0.isEmpty }
            let isWrong = metric.isTotal && metric != .missed && (estimates[row]?.median ?? 0) > 0
            let text = parts.joined(separator: " ")
            return isWrong
                ? Cell(text, .red)
                : Cell(text, ratios[row]?.colour, coloured: ratios[row]?.text.count)
        }
        return Column(head: BenchNames.column(metric), cells: cells)
    }

    private func ratio(_ metric: EchoBench.Metric, of result: EchoBench.Result) -> Cell? {
        guard BenchNames.compared.contains(metric), report.subjects.count > 1,
            let first = report.results(ofLoad: result.load).first, first.subject == 0,
            let ratio = report.ratio(metric, of: result, to: first)
        else { return nil }
        let isBetter = ratio.isBetter(metric)
        let isClose = result.subject != 0 && ratio.verdict == .same
        return Cell(
            (isClose ? "~" : "") + BenchNumber.ratio(ratio.ratio),
            isBetter.map { $0 ? .green : .red }
        )
    }

    // Each padded on the left to the width of the longest.
    private func aligned(_ texts: [String]) -> [String] {
        let width = texts.map(\.count).max() ?? 0
        return texts.map { String(repeating: " ", count: width - $0.count) + $0 }
    }

    private func width(_ columns: [Column]) -> Int {
        columns.reduce(-2) { $0 + $1.width + 2 }
    }

    private func lines(_ columns: [Column]) -> String {
        let rows = columns.map(\.cells.count).max() ?? 0
        let head = columns.map { padded(Cell($0.head), $0) }.joined(separator: "  ")
        let body = (0..<rows).map { row in
            columns.map { padded($0.cells[row], $0) }
                .joined(separator: "  ")
        }
        return ([head] + body).map { $0.withoutTrailingSpaces + "\n" }.joined()
    }

    private func padded(_ cell: Cell, _ column: Column) -> String {
        let space = String(repeating: " ", count: max(0, column.width - cell.text.count))
        let end = String(cell.text.suffix(cell.coloured))
        let shown =
            String(cell.text.dropLast(cell.coloured))
            + (cell.colour.map { screen.text(end, $0) } ?? end)
        return column.isLeading ? shown + space : space + shown
    }

    /// What got better or worse since a baseline.
    private func changes(since baseline: EchoBench.Report) -> String {
        let changes = report.changes(since: baseline)
        var text = paragraph("Since the baseline of \(baseline.started.escapedForLog):")
        for change in changes {
            guard let isBetter = change.isBetter else { continue }
            text += screen.text(isBetter ? "better" : "WORSE ", isBetter ? .green : .red)
            text += paragraph("        \(BenchChange.text(change, in: report))", from: 6)
        }
        let same = changes.count { $0.isBetter == nil }
        if same > 0 {
            text += paragraph(
                "\(same) of \(changes.count) figures have not changed beyond the noise."
            )
        }
        return text + report.reservations(about: baseline).map { paragraph($0) }.joined()
    }

    private func notes() -> String {
        let warnings = report.warnings + BenchWords(report: report).reservations()
        return warnings.map { warning in
            screen.text("warning:", .red)
                + paragraph("         \(warning.escapedForLog)", from: 8)
        }.joined()
    }

    /// A text in lines that fit the screen, the first without what stands before it.
    ///
    /// - Parameters:
    ///   - text: the text, with spaces where the line has something already.
    ///   - start: how many characters the line has already.
    /// - Returns: one line or more, each with its newline.
    private func paragraph(_ text: String, from start: Int = 0) -> String {
        let indent = text.prefix { $0 == " " }.count
        let margin = String(repeating: " ", count: indent)
        let lines = Layout.wrapped(text, to: screen.columns - indent)
        guard let first = lines.first else { return "\n" }
        let head = String(repeating: " ", count: indent - start) + first
        return ([head] + lines.dropFirst().map { margin + $0 }).map { $0 + "\n" }.joined()
    }

    private func name(_ subject: Int) -> String {
        report.subjects[subject].name.escapedForLog
    }
}

extension String {
    fileprivate var withoutTrailingSpaces: String {
        String(self[..<(lastIndex { $0 != " " }.map(index(after:)) ?? startIndex)])
    }
}
