import EchoSockets

extension BenchRunner {
    /// What makes the figures of a measurement doubtful, in whole sentences.
    func warnings(_ outcome: Outcome, _ environment: EchoBench.Environment) -> [String] {
        var warnings: [String] = []
        if let load = environment.loadAverage, load > 0.5 * Double(environment.processors) {
            warnings.append(
                "The machine was busy when the measurement began: its load average was \(load)."
            )
        }
        if environment.processors == 1 {
            warnings.append("Clients and servers shared one processor.")
        }
        for result in outcome.results { warnings += self.warnings(result) }
        if let late = outcome.lateness.percentile(99), late > 1_000_000 {
            warnings.append(
                "The clients sent late: 1 % of the messages \(late / 1_000_000) ms or more after "
                    + "their moment, with nothing in the way."
            )
        }
        return warnings
    }

    private func warnings(_ result: EchoBench.Result) -> [String] {
        let place = "\(servers[result.subject].name) with \(loads[result.load].label)"
        var warnings: [String] = []
        let shares = result.rounds.map { $0.clientProcessorSeconds / max($0.seconds, 1e-9) }
            .sorted()
        if let share = shares.isEmpty ? nil : shares[shares.count / 2], share > 0.9 {
            warnings.append(
                "The clients were the bottleneck for \(place): they used "
                    + "\(Int((share * 100).rounded())) % of their processor."
            )
        }
        let missed = result.rounds.reduce(0) { $0 + ($1.missedSends ?? 0) }
        if missed > 0 {
            warnings.append(
                "\(place): \(missed) messages were due and could not be sent before the end of their "
                    + "round; the response times leave them out."
            )
        }
        let failed = result.rounds.reduce(0) { $0 + $1.failedConnections }
        if failed > 0 { warnings.append("\(place): \(failed) connections failed.") }
        return warnings
    }
}
