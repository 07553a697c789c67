import EchoClient

/// Where and how a report was measured, for its page.
enum BenchPageSetting {
    /// The servers, the machine and the command that repeats it.
    static func section(_ report: EchoBench.Report) -> String {
        Markup.element(
            "section",
            ["class": "setting"],
            Markup.text("h2", [:], "How it was measured")
                + Markup.element(
                    "div",
                    ["class": "grid"],
                    list("Machine", machine(report.environment))
                        + list("Measurement", measurement(report))
                ) + servers(report.subjects)
                + Markup.text("h3", [:], "To repeat it")
                + Markup.element(
                    "pre",
                    ["tabindex": "0", "aria-label": "Command"],
                    Markup.text("code", [:], report.command)
                )
        )
    }

    /// A time of RFC 3339, as people write it.
    static func moment(_ text: String) -> String {
        guard let match = text.wholeMatch(of: /(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d(\.\d+)?)?Z/)
        else {
            return text
        }
        return "\(match.1) \(match.2) UTC"
    }

    private typealias Facts = [(name: String, value: String?)]

    private static func machine(_ environment: EchoBench.Environment) -> Facts {
        let mitigations = environment.mitigations.sorted { $0.key < $1.key }
            .filter { $0.value != "Not affected" }
        return [
            ("Kernel", environment.kernel),
            ("Processor", environment.processor),
            ("Processors", "\(environment.processors)"),
            ("Memory", environment.memoryBytes.map { BenchNumber.size(Double($0), .page) }),
            ("Frequency governor", environment.frequencyGovernor),
            ("Load average", environment.loadAverage.map { BenchNumber.significant($0) }),
            ("Servers ran on", processors(environment.serverProcessors)),
            ("Clients ran on", processors(environment.clientProcessors)),
            (
                "Processor faults",
                mitigations.isEmpty
                    ? nil : mitigations.map { "\($0.key): \($0.value)" }.joined(separator: "; ")
            ),
        ]
    }

    private static func processors(_ list: [Int]) -> String {
        list.isEmpty
            ? "any processor"
            : "processor\(list.count == 1 ? "" : "s") "
                + list.map { "\($0)" }.joined(separator: ", ")
    }

    private static func measurement(_ report: EchoBench.Report) -> Facts {
        let plan = report.plan
        return [
            ("Program", report.tool),
            ("Began", moment(report.started)),
            ("Took", BenchNumber.seconds(report.seconds)),
            (
                "Rounds",
                "\(plan.rounds) of \(BenchNumber.seconds(plan.roundSeconds)), each after "
                    + "\(BenchNumber.seconds(plan.warmUpSeconds)) of warm-up"
            ),
            (
                "Clients polled for",
                plan.clientPollSeconds.map { "up to \(Quantity.text(Duration.seconds($0)))" }
            ),
            ("Seed", "\(report.seed)"),
        ]
    }

    private static func list(_ title: String, _ facts: Facts) -> String {
        let items = facts.compactMap { name, value in
            value.map {
                Markup.element(
                    "div",
                    [:],
                    Markup.text("dt", [:], name) + Markup.text("dd", [:], $0)
                )
            }
        }
        return Markup.element(
            "div",
            ["class": "card"],
            Markup.text("h3", [:], title) + Markup.element("dl", [:], items.joined())
        )
    }

    private static func servers(_ subjects: [EchoBench.Subject]) -> String {
        let items = subjects.enumerated().map { index, subject in
            let kind =
                switch subject.kind {
                case .model: "model"
                case .target: "running server"
                case .command: "command"
                }
            return Markup.element(
                "div",
                [:],
                Markup.element("dt", [:], BenchPageTables.key(index, subject.name))
                    + Markup.element(
                        "dd",
                        [:],
                        Markup.escaped("\(kind): ") + Markup.text("code", [:], subject.detail)
                    )
            )
        }
        return Markup.element(
            "div",
            ["class": "card"],
            Markup.text("h3", [:], "Servers") + Markup.element("dl", [:], items.joined())
        )
    }
}
