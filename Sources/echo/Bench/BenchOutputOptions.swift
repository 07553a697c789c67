import ArgumentParser
import EchoClient
import EchoSockets
import Glibc

/// What becomes of the figures.
struct BenchOutputOptions: ParsableArguments {
    @Flag(name: .long, help: "Print what would run, and how long it takes.")
    var plan = false

    @Flag(name: .long, help: "Print one JSON object instead of the table.")
    var json = false

    @Flag(name: .long, help: "Print comma-separated values instead of the table.")
    var csv = false

    @Option(
        name: .long,
        help: ArgumentHelp("Write a page with charts as well.", valueName: "file"),
        completion: .file(),
        transform: Parse.path
    )
    var html: String?

    @Option(
        name: .long,
        help: ArgumentHelp("Compare with an earlier --json.", valueName: "file"),
        completion: .file(),
        transform: Parse.path
    )
    var baseline: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Exit with 1 if it holds, such as 'p99>2ms'; may be repeated.",
            valueName: "condition"
        ),
        transform: { try FailCondition(parsing: $0) }
    )
    var failIf: [FailCondition] = []

    func check() throws {
        if json, csv { throw ValidationError("--json and --csv contradict each other") }
        if baseline == nil, let condition = failIf.first(where: \.needsBaseline) {
            throw ValidationError("--fail-if '\(condition.text)' needs a --baseline")
        }
    }

    /// The report to compare with.
    func readBaseline() throws -> EchoBench.Report? {
        guard let baseline else { return nil }
        guard let bytes = KernelFile.bytes(baseline, upTo: 256 << 20) else {
            throw CommandError(
                exitCode: Exit.usage,
                message: "cannot read \(baseline): \(Errno.current)"
            )
        }
        return try BenchDocument.report(from: bytes, named: baseline)
    }

    /// Writes the figures.
    ///
    /// - Throws: `ExitCode(1)` if a condition holds.
    func write(
        _ report: EchoBench.Report,
        baseline: EchoBench.Report?,
        page: borrowing ReportFile?
    ) throws {
        try page?.write(BenchPage.html(report, baseline: baseline))
        if json {
            try Output.print(try BenchDocument.json(report, baseline: baseline))
        } else if csv {
            try Output.print(BenchCSV.text(report))
        } else {
            try Output.print(BenchTable.text(report, Screen.current, baseline: baseline))
        }
        let broken = failIf.flatMap { $0.broken(by: report, baseline: baseline) }
        for line in broken {
            StandardError.write(StandardError.format.failure("--fail-if holds: \(line)"))
        }
        if !broken.isEmpty { throw ExitCode(1) }
    }
}
