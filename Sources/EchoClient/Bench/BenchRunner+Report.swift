import EchoSockets

extension BenchRunner {
    /// Measures, and describes what was measured on what; blocks.
    ///
    /// - Parameters:
    ///   - tool: the program and its version.
    ///   - command: the command that repeats it.
    ///   - stop: ends it early, after which the rounds so far are reported.
    ///   - observer: called before each round.
    /// - Returns: what was measured.
    package func report(
        tool: String,
        command: String,
        _ stop: ClientStop,
        observer: (Progress) -> Void
    ) -> EchoBench.Report {
        let environment = BenchMachine.environment(self)
        let started = Timestamp.now
        let begin = MonotonicTime.now
        let outcome = run(stop, observer: observer)
        return EchoBench.Report(
            tool: tool,
            started: started,
            seconds: (MonotonicTime.now - begin).fractionalSeconds,
            command: command,
            seed: seed,
            environment: environment,
            plan: EchoBench.Plan(
                loads: loads,
                rounds: rounds,
                roundSeconds: roundTime.fractionalSeconds,
                warmUpSeconds: warmUp.fractionalSeconds,
                clientPollSeconds: BusyPolling(clientPoll).budget?.fractionalSeconds
            ),
            subjects: servers.map(\.subject),
            results: outcome.results,
            warnings: warnings(outcome, environment)
        )
    }
}
