import EchoSockets

extension BenchRunner {
    /// What makes the figures of a measurement doubtful, in whole sentences.
    func warnings(
        _ outcome: Outcome,
        _ environment: EchoBench.Environment
    ) -> [String] {
        var warnings: [String] = []
        if let load = environment.loadAverage, load > 0.5 * Double(environment.processors) {
            warnings.append(
                "The machine was busy when the measurement began: its load average was \(load)."
            )
        }
        if environment.processors == 1 {
            warnings.append("Clients and servers shared one processor.")
        }
        for load in loads.indices {
            if let warning = bottleneck(outcome.results.filter { $0.load == load }) {
                warnings.append(warning)
            }
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

    // One for all servers of a load, which are often alike.
    // Clients that poll are busy all the time, whatever they have to do.
    private func bottleneck(_ results: [EchoBench.Result]) -> String? {
        if BusyPolling(clientPoll).isOn { return nil }
        let busy = results.filter { $0.clientShare > 0.9 }
        guard let first = busy.first, let most = busy.map(\.clientShare).max() else { return nil }
        let names = busy.map { servers[$0.subject].name }.joined(separator: ", ")
        return
            "With \(loads[first.load].label), the clients were the bottleneck for \(names): they "
            + "used up to \(Int((most * 100).rounded())) % of their processor, and the servers can "
            + "do more."
    }

    private func warnings(_ result: EchoBench.Result) -> [String] {
        let place = "\(servers[result.subject].name) with \(loads[result.load].label)"
        var warnings: [String] = []
        let missed = result.rounds.reduce(0) { $0 + ($1.missedSends ?? 0) }
        if missed > 0 {
            warnings.append(
                "\(place): \(missed) messages were due and could not be sent before the end of "
                    + "their round; the response times leave them out."
            )
        }
        let failed = result.rounds.reduce(0) { $0 + $1.failedConnections }
        if failed > 0 { warnings.append("\(place): \(failed) connections failed.") }
        if let lost = loss(result) { warnings.append("\(place): \(lost)") }
        return warnings
    }

    // A loop guard answers so many datagrams of a source only, whatever the server could do.
    private func loss(_ result: EchoBench.Result) -> String? {
        let lost = result.rounds.reduce(0) { $0 + ($1.lostDatagrams ?? 0) }
        guard lost > 0 else { return nil }
        let all = lost + result.rounds.reduce(0) { $0 + $1.echoes }
        let share = Double(lost) / Double(all)
        let limit = LoadDatagrams.timeLimit.shortText
        let text =
            "\(lost) of \(all) datagrams did not come back within \(limit), which kept their "
            + "clients waiting."
        guard share > 0.01, servers[result.subject].kind != .model else { return text }
        return text + " The rate limit of a loop guard may be why: this program's servers answer "
            + "1,000 a second from one source unless they run with --no-loop-guard."
    }
}

extension EchoBench.Result {
    /// How much of their processor the clients used, in the median round; 1 is all of it.
    fileprivate var clientShare: Double {
        let shares = rounds.map { $0.clientProcessorSeconds / max($0.seconds, 1e-9) }.sorted()
        return shares.isEmpty ? 0 : shares[shares.count / 2]
    }
}
