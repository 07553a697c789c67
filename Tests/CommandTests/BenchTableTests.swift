import Testing

@testable import EchoClient
@testable import echo

/// The table at the terminal, and the numbers in it.
struct BenchTableTests {
    private static func screen(
        _ columns: Int,
        terminal: Bool = true,
        noColour: Bool = false
    ) -> Screen {
        Screen(
            environment: ["TERM": "xterm", "NO_COLOR": noColour ? "1" : ""],
            isTerminal: terminal,
            terminalColumns: columns
        )
    }

    private static func plain(_ text: String) -> [String] {
        text.replacing(/\x1B\[\d+m/, with: "").split(
            separator: "\n",
            omittingEmptySubsequences: false
        ).map(String.init)
    }

    /// Reports of all kinds.
    static let reports: [EchoBench.Report] = {
        var failed = BenchFixture.report(["first", "second"], rounds: 3)
        failed.results[1].rounds = []
        failed.results[1].service = nil
        failed.results[1].failure = "the server refused every connection, again and again"
        failed.results[0].rounds[1].wrongBytes = 12
        failed.warnings = ["The clients are the bottleneck with 1000 connections: see client CPU."]
        var load = EchoBench.Load()
        (load.rate, load.isChurn, load.idleConnections) = (2500, true, 40)
        return [
            BenchFixture.report(), failed, BenchFixture.report(["only"], rounds: 1),
            BenchFixture.report(["a", "b"], loads: [load]),
            BenchFixture.report(["none"], loads: []),
        ]
    }()

    @Test(arguments: [40, 80, 132, 250])
    func `no line is longer than the screen, and no figure is lost`(_ columns: Int) {
        for report in Self.reports {
            let text = BenchTable.text(report, Self.screen(columns), baseline: report)
            let lines = Self.plain(text)
            let longest = lines.max { $0.count < $1.count } ?? ""
            #expect(longest.count <= columns, "\(longest)")
            #expect(lines.allSatisfy { $0.last != " " })
            #expect(lines.last?.isEmpty == true)
            for subject in report.subjects where !report.results.isEmpty {
                #expect(text.contains(subject.name))
            }
            for metric in BenchNames.columns(of: report) {
                #expect(text.contains(BenchNames.column(metric)), "\(metric)")
            }
        }
    }

    @Test func `there are colours at a terminal that shows them only`() {
        let report = Self.reports[0]
        let coloured = BenchTable.text(report, Self.screen(80))
        #expect(coloured.contains("\u{1B}[31m0.8"))
        for screen in [Self.screen(80, terminal: false), Self.screen(80, noColour: true)] {
            let text = BenchTable.text(report, screen)
            #expect(!text.contains("\u{1B}"))
            #expect(text == Self.plain(coloured).joined(separator: "\n"))
        }
    }

    @Test func `a row has the median, the spread and the ratio to the first`() throws {
        let report = Self.reports[0]
        let lines = Self.plain(BenchTable.text(report, Self.screen(80)))
        let block = try #require(lines.firstIndex(of: "100 connections, 64 bytes"))
        #expect(lines[block + 1].wholeMatch(of: /SERVER +echoes\/s +p50 +p90 +p99/) != nil)
        let first = lines[block + 2]
        #expect(first.contains(#/^thread-per-client +16\dk \+-\d%  1\.00x /#), "\(first)")
        #expect(lines[block + 3].contains(#/^select +1\d\dk \+-\d% ~(1\.0|0\.9)\dx /#))
        #expect(lines[block + 4].contains(#/^async-select +1\d\dk \+-\d%  0\.8\dx /#))
    }

    @Test func `faults and warnings are told`() {
        let text = BenchTable.text(Self.reports[1], Self.screen(100))
        let lines = Self.plain(text)
        #expect(
            lines.contains("FAILED second: the server refused every connection, again and again")
        )
        #expect(text.contains("\u{1B}[31m12\u{1B}[0m"))
        #expect(lines.contains { $0.hasPrefix("warning: The clients are the bottleneck") })
        #expect(lines.contains { $0.hasPrefix("warning: With 3 rounds, chance cannot be told") })
    }

    @Test func `what changed since a baseline is told, with the rest as a number`() {
        let before = BenchFixture.report(["a"], loads: BenchFixture.sweep([10]))
        var after = before
        for round in after.results[0].rounds.indices { after.results[0].rounds[round].echoes *= 2 }
        let text = BenchTable.text(after, Self.screen(200), baseline: before)
        let lines = Self.plain(text)
        let row = "better  a, 10 connections, 64 bytes: echoes/s "
        #expect(lines.contains { $0.hasPrefix(row) })
        #expect(lines.contains { $0.wholeMatch(of: /\d+ of \d+ figures have not .*/) != nil })
        let same = Self.plain(BenchTable.text(before, Self.screen(200), baseline: before))
        #expect(!same.contains { $0.hasPrefix("better") || $0.hasPrefix("WORSE") })
    }

    @Test func `a name cannot move the cursor`() {
        let report = BenchFixture.report(["\u{1B}[2Jx", "b"], loads: BenchFixture.sweep([1]))
        let text = BenchTable.text(report, Self.screen(80, terminal: false))
        #expect(!text.contains("\u{1B}"))
    }

    @Test(
        arguments: [
            (0, "0"), (0.00213, "0.00213"), (0.0153, "0.0153"), (0.5, "0.50"), (9.994, "9.99"),
            (9.996, "10.0"), (99.96, "100"), (1234, "1234"), (-2.5, "-2.50"),
        ] as [(Double, String)]
    )
    func `numbers have three digits`(_ value: Double, _ text: String) {
        #expect(BenchNumber.significant(value) == text)
    }

    @Test func `figures have the unit that suits them`() {
        #expect(BenchNumber.time(850, .terminal) == "850ns")
        #expect(BenchNumber.time(999_600, .page) == "1.00 ms")
        #expect(BenchNumber.time(12_340, .page) == "12.3 µs")
        #expect(BenchNumber.time(2.5e9, .terminal) == "2.50s")
        #expect(BenchNumber.size(900, .page) == "900 B")
        #expect(BenchNumber.size(1536, .terminal) == "1.50KiB")
        #expect(BenchNumber.short(182_341) == "182k")
        #expect(BenchNumber.short(999_700) == "1.00M")
        #expect(BenchNumber.tick("2.50 ms") == "2.5 ms")
        #expect(BenchNumber.tick("10.0 µs") == "10 µs")
        #expect(BenchNumber.tick("100 µs") == "100 µs")
        #expect(BenchNumber.grouped(1_234_567) == "1,234,567")
        #expect(BenchNumber.percent(0.004) == "0.4%")
        #expect(BenchNumber.percent(0) == "0%")
        #expect(BenchNumber.fixed(.infinity, 2) == "inf")
    }

    @Test func `words call a difference only what is beyond the noise`() throws {
        let words = BenchWords(report: BenchFixture.report(["a", "b", "c"]))
        let sentence = try #require(words.sentence(.rate, load: 2))
        let head = #/^Most echoes: [ab] with 16\dk echoes/s; [ab] is within the noise\. /#
        #expect(sentence.contains(head), "\(sentence)")
        #expect(sentence.contains(/\. c reaches 1\d % less\.$/), "\(sentence)")
        let overall = words.overall()
        #expect(
            overall.first
                == "Most echoes, alone or within the noise: a (all 4 loads) and b (all 4 loads)."
        )
        let few = BenchWords(report: BenchFixture.report(["a", "b", "c"], rounds: 2))
        #expect(few.overall().isEmpty)
        #expect(few.sentence(.cpu, load: 0)?.hasSuffix("; too few rounds to tell.") == true)
        #expect(few.reservations().count == 1)
        let alone = BenchWords(report: BenchFixture.report(["a"]))
        #expect(alone.sentence(.rate, load: 0)?.hasPrefix("a: ") == true)
        #expect(alone.reservations().isEmpty)
    }
}
