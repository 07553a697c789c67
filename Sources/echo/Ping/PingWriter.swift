import EchoClient

/// Puts a run into the form that was asked for.
struct PingWriter: Sendable {
    /// Whether each probe has a line.
    let hasLines: Bool
    private let form: PingForm
    private let lines: PingLines
    private let json: PingJSON

    init(_ ping: EchoPing, _ form: PingForm) {
        self.form = form
        lines = PingLines(ping: ping, screen: .current)
        json = PingJSON(ping: ping)
        hasLines = form.jsonl || !(form.quiet || form.json || form.csv || form.nagios)
    }

    private var isForPeople: Bool { !(form.json || form.jsonl || form.csv || form.nagios) }

    /// What is printed at the beginning.
    var head: String { isForPeople ? lines.head : "" }

    /// The line of a probe.
    var line: @Sendable (EchoPing.Probe) -> String {
        form.jsonl ? json.line : lines.line
    }

    /// What is printed when somebody asks for it.
    func interim(_ report: EchoPing.Report) -> String {
        if form.jsonl { return json.summary(report, isLine: true) }
        return isForPeople ? lines.summary(report) + "\n" : ""
    }

    /// What is printed at the end.
    func summary(_ report: EchoPing.Report) -> String {
        if form.json { return json.summary(report, isLine: false) }
        if form.jsonl { return json.summary(report, isLine: true) }
        if form.csv { return PingCSV.text(report) }
        if form.nagios { return form.verdict.line(report) }
        return lines.summary(report)
    }
}
