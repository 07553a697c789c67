import EchoTestSupport
import Foundation
import Testing

@testable import EchoClient
@testable import echo

/// The page of a report: its text, its charts and how a browser shows it.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct BenchPageTests {
    /// Reports of all kinds.
    static let reports: [String: EchoBench.Report] = {
        let hostile = ["<script>alert(1)</script>", "a&b \"c\" 'd'", "\u{1B}[2J\u{202E}x", "]]>"]
        var odd = BenchFixture.report(hostile, loads: BenchFixture.sweep([1, 50]), rounds: 2)
        odd.command = "echo bench --command 'a && b <c>' https://example.com/"
        odd.warnings = ["<b>&amp;\u{0}"]
        odd.environment.processor = "\"<x>\""
        odd.results[1].rounds = []
        odd.results[1].service = nil
        odd.results[1].failure = "<img src='http://127.0.0.1/'>"
        odd.results[2].rounds[0].echoes = 0
        odd.results[2].rounds[0].server = nil
        odd.results[3].rounds[0].wrongBytes = 5
        var scheduled = EchoBench.Load()
        (scheduled.connections, scheduled.rate, scheduled.size) = (50, 20_000, 4096)
        return [
            "all": BenchFixture.report(),
            "odd": odd,
            "one": BenchFixture.report(["select"], loads: BenchFixture.sweep([1]), rounds: 1),
            "scheduled": BenchFixture.report(["a", "b"], loads: [scheduled]),
            "many": BenchFixture.report((1...12).map { "server number \($0)" }),
            "empty": BenchFixture.report(["none"], loads: []),
        ]
    }()

    private static let names = reports.keys.sorted()

    private static func page(_ name: String) throws -> String {
        let report = try #require(reports[name])
        return BenchPage.html(report, baseline: name == "all" ? reports["all"] : nil)
    }

    /// Writes a page into a folder.
    private static func write(_ text: String, to folder: TemporaryFolder, as name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.path(name)))
    }

    @Test(arguments: names)
    func `a page is well-formed XML`(_ name: String) async throws {
        let folder = try TemporaryFolder()
        try Self.write(try Self.page(name), to: folder, as: "page.xml")
        let parser = """
            import sys, xml.dom.minidom as m
            m.parse(sys.argv[1])
            """
        let result = try await RunningProcess(
            "/usr/bin/python3",
            ["-c", parser, folder.path("page.xml")]
        ).result()
        #expect(result.exit == .code(0), "\(result.errors)")
    }

    @Test(arguments: names)
    func `a page refers to nothing outside of it, and has no script`(_ name: String) throws {
        let page = try Self.page(name)
        #expect(page.contains("default-src 'none'") || page.contains("default-src &#39;none&#39;"))
        #expect(!page.contains("<script") && !page.contains("<img") && !page.contains("@import"))
        #expect(!page.contains("url("))
        let references = page.matches(of: /<[^>]*\b(?:src|href)="([^"]*)"/).map { $0.1 }
        #expect(references == ["data:,"])
        #expect(!page.contains("\u{1B}") && !page.contains("\u{0}") && !page.contains("\u{202E}"))
    }

    @Test(arguments: names)
    func `every chart has a title, a description and a table`(_ name: String) throws {
        let page = try Self.page(name)
        let figures = page.split(separator: "<figure>").dropFirst()
        let charts = page.matches(of: /<svg role="img"/).count
        #expect(figures.count == charts)
        #expect(charts > 0 || name == "empty")
        for figure in figures {
            let named = /aria-labelledby="([^"]+)" aria-describedby="([^"]+)"/
            let match = try #require(figure.firstMatch(of: named))
            #expect(figure.contains("<title id=\"\(match.1)\">"))
            #expect(figure.contains("<desc id=\"\(match.2)\">"))
            #expect(figure.contains("<figcaption>") && figure.contains("<caption>"))
            #expect(figure.contains("<th scope=\"row\">") && figure.contains("<th scope=\"col\">"))
        }
        let identifiers = page.matches(of: /\sid="([^"]+)"/).map { $0.1 }
        #expect(Set(identifiers).count == identifiers.count)
        let signs = page.matches(of: /<svg class="key [^>]*>/)
        #expect(signs.allSatisfy { $0.0.contains("aria-hidden=\"true\"") })
    }

    @Test(arguments: names)
    func `headings descend step by step`(_ name: String) throws {
        let page = try Self.page(name)
        #expect(page.contains("<html lang=\"en\">"))
        let levels = page.matches(of: /<h([1-6])>/).compactMap { Int($0.1) }
        #expect(levels.first == 1 && levels.count { $0 == 1 } == 1)
        for (level, next) in zip(levels, levels.dropFirst()) { #expect(next <= level + 1) }
    }

    @Test func `a page has the command, the machine, warnings and failures`() throws {
        let page = try Self.page("odd")
        #expect(page.contains("a &amp;&amp; b &lt;c&gt;"))
        #expect(page.contains("Linux 6.18.44") && page.contains("&quot;&lt;x&gt;&quot;"))
        #expect(page.contains("&lt;b&gt;&amp;amp;"))
        #expect(page.contains("failed: &lt;img src=&#39;http://127.0.0.1/&#39;&gt;"))
        #expect(page.contains("returned 5 wrong bytes"))
        #expect(try Self.page("all").contains("Since the baseline of 2026-11-25 10:20 UTC"))
    }

    @Test func `labels beside lines are apart and keep their order`() {
        let range = 30.0...272.0
        for places in [
            [100, 100, 100], [31, 32, 270, 271, 272], (0..<17).map { _ in 50.0 }, [40],
        ] {
            let moved = ChartFrame.apart(places, gap: 15, within: range)
            #expect(moved.count == places.count && moved.allSatisfy(range.contains))
            for (place, next) in zip(moved, moved.dropFirst()) { #expect(next - place > 14.9) }
        }
        #expect(ChartFrame.apart([100, 100, 100], gap: 15, within: range) == [85, 100, 115])
        #expect(ChartFrame.apart([], gap: 15, within: range) == [])
    }

    @Test func `axes have few round ticks that enclose the values`() throws {
        let linear = ChartAxis.fromZero([3, 182_000]) { BenchNumber.tick(BenchNumber.short($0)) }
        #expect(linear.ticks.map(\.label) == ["0", "50k", "100k", "150k", "200k"])
        #expect(linear.position(200_000) == 1 && linear.position(0) == 0)
        let time = ChartAxis.logarithmic([12_000, 90_000]) { "\(Int($0))" }
        #expect(time.ticks.map(\.label) == ["10000", "20000", "50000", "100000"])
        let tail = ChartAxis.tail(upTo: 99.9)
        #expect(tail.ticks.map(\.label) == ["0", "50", "90", "99", "99.9"])
        #expect(abs(tail.position(99) - 2.0 / 3) < 0.001)
        for value in [0.0, 1e-30, 1, 1e30] {
            #expect((0...1).contains(ChartAxis.fromZero([value]) { "\($0)" }.position(value)))
            #expect((0...1).contains(ChartAxis.logarithmic([value]) { "\($0)" }.position(value)))
        }
        #expect(ChartAxis.marked([10, 10]) { "\($0)" }.position(10) == 0.5)
    }

    private static let chromium = "/usr/bin/chromium"
    private static let hasChromium = FileManager.default.isExecutableFile(atPath: chromium)

    /// Runs the browser without a network.
    private static func browse(
        _ file: String,
        _ folder: TemporaryFolder,
        _ flags: [String]
    ) async throws -> (output: String, console: [Substring]) {
        let fixed = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--no-first-run", "--disable-background-networking", "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=\(folder.path("profile"))",
        ]
        let process = try RunningProcess(chromium, fixed + flags + ["file://\(folder.path(file))"])
        let result = try await process.result(within: .seconds(120))
        #expect(result.exit == .code(0), "\(result.errors)")
        let console = result.errors.split(separator: "\n").filter { $0.contains("CONSOLE") }
        return (String(decoding: result.output, as: UTF8.self), console)
    }

    @Test(
        .enabled(if: hasChromium, "Chromium is not installed"),
        arguments: names
    )
    func `a browser shows a page without an error or a request`(_ name: String) async throws {
        let folder = try TemporaryFolder()
        try Self.write(try Self.page(name), to: folder, as: "page.html")
        let modes = [
            ["--screenshot=\(folder.path("light.png"))", "--window-size=1280,3000"],
            [
                "--screenshot=\(folder.path("dark.png"))", "--window-size=1280,3000",
                "--blink-settings=preferredColorScheme=0",
            ],
            ["--no-pdf-header-footer", "--print-to-pdf=\(folder.path("page.pdf"))"],
        ]
        for flags in modes {
            // A request would be against the page's policy, and so be told here.
            let seen = try await Self.browse("page.html", folder, flags)
            #expect(seen.console == [])
        }
        let light = try Data(contentsOf: URL(fileURLWithPath: folder.path("light.png")))
        let dark = try Data(contentsOf: URL(fileURLWithPath: folder.path("dark.png")))
        #expect(light.count > 20_000 && dark.count > 20_000 && light != dark)
        let pdf = try Data(contentsOf: URL(fileURLWithPath: folder.path("page.pdf")))
        #expect(pdf.starts(with: Data("%PDF".utf8)))
    }

    @Test(.enabled(if: hasChromium, "Chromium is not installed"))
    func `a request from a page would be noticed`() async throws {
        let folder = try TemporaryFolder()
        let page = try Self.page("one").replacing(
            "</main>",
            with: "<img src=\"http://127.0.0.1:9/\" alt=\"\"/></main>"
        )
        try Self.write(page, to: folder, as: "page.html")
        let seen = try await Self.browse("page.html", folder, ["--dump-dom"])
        #expect(seen.console.contains { $0.contains("Content Security Policy") })
    }

    // Looks from outside at a page in a frame, for texts of a chart that overlap or leave their
    // figure, and for a page that is wider than the frame.
    private static let inspector = """
        <!DOCTYPE html><html><body style="margin:0"><iframe src="page.html" style="width:WIDTHpx;\
        height:2000px;border:0"></iframe><pre id="found"></pre><script>
        onload = () => {
          const page = document.querySelector('iframe').contentDocument, found = [];
          if (page.documentElement.scrollWidth > WIDTH) found.push('the page is too wide');
          for (const figure of page.querySelectorAll('figure')) {
            const outer = figure.getBoundingClientRect();
            const texts = [...figure.querySelectorAll('svg text')].map(text => {
              const box = text.getBoundingClientRect();
              return {text: text.textContent, l: box.left, r: box.right, t: box.top, b: box.bottom};
            });
            for (const a of texts) {
              if (a.l < outer.left - 1 || a.r > outer.right + 1) found.push('outside: ' + a.text);
              for (const b of texts) {
                const wide = Math.min(a.r, b.r) - Math.max(a.l, b.l);
                const high = Math.min(a.b, b.b) - Math.max(a.t, b.t);
                const least = Math.min(a.b - a.t, b.b - b.t);
                if (a !== b && wide > 1 && high > least * 0.35)
                  found.push('overlap: ' + a.text + ' / ' + b.text);
              }
            }
          }
          document.getElementById('found').textContent = 'inspected ' +
            page.querySelectorAll('figure').length + '\\n' + found.join('\\n');
        };
        </script></body></html>
        """

    @Test(
        .enabled(if: hasChromium, "Chromium is not installed"),
        arguments: ["all", "many", "odd", "scheduled"],
        [400, 1280]
    )
    func `no texts of a chart overlap, and the page fits its window`(
        _ name: String,
        _ width: Int
    ) async throws {
        let folder = try TemporaryFolder()
        let page = try Self.page(name)
        try Self.write(page, to: folder, as: "page.html")
        let inspector = Self.inspector.replacing("WIDTH", with: "\(width)")
        try Self.write(inspector, to: folder, as: "inspector.html")
        let flags = ["--allow-file-access-from-files", "--dump-dom", "--window-size=1400,2000"]
        let seen = try await Self.browse("inspector.html", folder, flags)
        let found = try #require(seen.output.firstMatch(of: /<pre id="found">([^<]*)<\/pre>/)).1
        let figures = page.matches(of: /<figure>/).count
        #expect(found.trimmingCharacters(in: .whitespacesAndNewlines) == "inspected \(figures)")
    }
}
