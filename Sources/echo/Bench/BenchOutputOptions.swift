import ArgumentParser
import EchoClient

/// What becomes of the figures.
struct BenchOutputOptions: ParsableArguments {
    @Flag(name: .long, help: "Print what would run, and how long it takes.")
    var plan = false

    func check() throws {}

    /// Writes them.
    func write(_ report: EchoBench.Report) throws {
        for result in report.results {
            for round in result.rounds {
                try Output.print(
                    "\(report.subjects[result.subject].name) \(report.plan.loads[result.load].label) \(Int(Double(round.echoes) / round.seconds)) echoes/s p50 \(round.p50 ?? 0) p99 \(round.p99 ?? 0) client \(round.clientProcessorSeconds / round.seconds) server us/echo \(((round.server?.userSeconds ?? 0) + (round.server?.systemSeconds ?? 0)) * 1e6 / Double(max(1, round.echoes))) mem \(round.server?.memoryPerConnection ?? -1) missed \(round.missedSends ?? -1)\n"
                )
            }
            if let failure = result.failure { try Output.print("FAILED \(failure)\n") }
        }
    }
}
