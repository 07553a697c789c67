import Testing

@testable import EchoClient

@Suite struct BenchWarningsTests {
    private func warnings(
        clientPoll: Duration? = .zero,
        _ change: (inout [EchoBench.Result]) -> Void
    ) -> [String] {
        let report = BenchFixture.report(
            ["select", "async-select", "overlapped"],
            loads: BenchFixture.sweep([1, 10])
        )
        let servers = report.subjects.map { EchoBench.Server($0.name, .model, .announcing([])) }
        var runner = BenchRunner(servers, report.plan.loads)
        runner.clientPoll = clientPoll
        var outcome = BenchRunner.Outcome()
        outcome.results = report.results
        change(&outcome.results)
        return runner.warnings(outcome, report.environment)
    }

    @Test func `nothing doubtful, no warning`() {
        #expect(warnings { _ in } == [])
    }

    @Test func `a load has one warning of its clients, whatever the number of servers`() {
        let makeBusy = { (results: inout [EchoBench.Result]) in
            for index in results.indices where results[index].load == 1 {
                let share = results[index].subject == 2 ? 0.5 : 0.97
                for round in results[index].rounds.indices {
                    results[index].rounds[round].clientProcessorSeconds =
                        results[index].rounds[round].seconds * share
                }
            }
        }
        // Clients that poll are always busy.
        #expect(warnings(clientPoll: .microseconds(1), makeBusy) == [])
        #expect(
            warnings(makeBusy) == [
                "With 10 connections, 64 bytes, the clients were the bottleneck for select, "
                    + "async-select: they used up to 97 % of their processor, and the servers can "
                    + "do more."
            ]
        )
    }

    @Test func `connections that failed are counted for each server`() {
        let found = warnings { $0[0].rounds[0].failedConnections = 3 }
        #expect(found == ["select with 1 connection, 64 bytes: 3 connections failed."])
    }
}
