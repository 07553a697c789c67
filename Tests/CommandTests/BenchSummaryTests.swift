import EchoTestSupport
import Testing

@testable import EchoClient

/// Medians, intervals, ratios and verdicts.
struct BenchSummaryTests {
    @Test func `a median is the middle value, or the mean of both`() throws {
        #expect(EchoBench.Estimate([]) == nil)
        #expect(EchoBench.Estimate([.nan, .infinity]) == nil)
        #expect(try #require(EchoBench.Estimate([5, 1, 3])).median == 3)
        #expect(try #require(EchoBench.Estimate([4, 1, 2, 9])).median == 3)
        let one = try #require(EchoBench.Estimate([7]))
        #expect(one.rounds == 1 && one.low == 7 && one.high == 7)
        #expect(one.spread == nil)
    }

    @Test(arguments: [(2, 0), (5, 0), (8, 0), (9, 1), (12, 2), (20, 5), (30, 9)])
    func `an interval leaves out as many values as the binomial distribution allows`(
        _ count: Int,
        _ skipped: Int
    ) throws {
        let estimate = try #require(EchoBench.Estimate((0..<count).map { Double($0) }))
        #expect(estimate.low == Double(skipped))
        #expect(estimate.high == Double(count - 1 - skipped))
        #expect(estimate.rounds == count)
    }

    @Test func `the interval holds the true median as often as promised`() throws {
        var random = SeededGenerator(seed: 3)
        for rounds in [5, 9, 16] {
            let hits = (0..<4000).count { _ in
                let values = (0..<rounds).map { _ in Double.random(in: 0..<1, using: &random) }
                return EchoBench.Estimate(values).map { $0.low <= 0.5 && 0.5 <= $0.high } ?? false
            }
            #expect(Double(hits) / 4000 > EchoBench.Estimate.confidence - 0.01, "\(rounds)")
        }
    }

    @Test func `a disturbance of both rounds of a pair does not show in their ratio`() throws {
        let first: [Double?] = [100, 50, 100, 25, 100]
        let other: [Double?] = [110, 55, 110, 27.5, 110]
        let ratio = try #require(EchoBench.Ratio(other, to: first))
        #expect(abs(ratio.ratio - 1.1) < 1e-9 && abs(ratio.low - 1.1) < 1e-9)
        #expect(ratio.verdict == .higher)
        #expect(EchoBench.Ratio(first, to: other)?.verdict == .lower)
    }

    @Test func `a verdict needs five rounds, agreement and two per cent`() {
        let base: [Double?] = [100, 100, 100, 100, 100]
        func verdict(_ values: [Double?]) -> EchoBench.Verdict? {
            EchoBench.Ratio(values, to: base)?.verdict
        }
        #expect(verdict([120, 120, 120, 120]) == .unknown)
        #expect(verdict([120, nil, 120, 120, 120]) == .unknown)
        #expect(verdict([120, 99, 120, 120, 120]) == .same)
        #expect(verdict([101, 101, 101, 101, 101]) == .same)
        #expect(verdict([102, 103, 102, 103, 102]) == .higher)
        #expect(verdict([nil, nil]) == nil)
        #expect(EchoBench.Ratio([1], to: [0]) == nil)
    }

    @Test func `equal servers rarely differ`() {
        let differ = (0..<200).count { seed in
            let report = BenchFixture.report(
                ["a", "b"],
                loads: BenchFixture.sweep([10]),
                seed: UInt64(seed)
            )
            let ratio = report.ratio(.rate, of: report.results[1], to: report.results[0])
            return ratio?.verdict != .same
        }
        #expect(differ < 24, "\(differ) of 200")
    }

    @Test func `figures per echo divide by the echoes, and by none not at all`() throws {
        var report = BenchFixture.report(["a"], loads: BenchFixture.sweep([100]), rounds: 1)
        let round = report.results[0].rounds[0]
        #expect(round.value(of: .rate) == Double(round.echoes) / 2)
        #expect(round.value(of: .throughput) == Double(round.bytes) / 2)
        #expect(abs((round.value(of: .syscalls) ?? 0) - 2.5) < 0.001)
        #expect(round.value(of: .client) == 0.8)
        let server = try #require(round.server)
        let cost = (server.userSeconds + server.systemSeconds) * 1_000_000 / Double(round.echoes)
        #expect(round.value(of: .cpu) == cost)
        report.results[0].rounds[0].echoes = 0
        report.results[0].rounds[0].p99 = nil
        report.results[0].service = nil
        for metric in [EchoBench.Metric.cpu, .syscalls, .switches, .p99] {
            #expect(report.estimate(metric, of: report.results[0]) == nil, "\(metric)")
        }
        #expect(report.estimate(.rate, of: report.results[0])?.median == 0)
    }

    @Test func `on a schedule, latency counts from the moment due`() throws {
        var load = EchoBench.Load()
        load.rate = 1000
        let report = BenchFixture.report(["a"], loads: [load])
        let result = report.results[0]
        let responses = result.rounds.compactMap(\.responseP99).map { Double($0) }
        #expect(report.estimate(.p99, of: result) == EchoBench.Estimate(responses))
        // No round has it, so that of all rounds counts.
        let pooled = try #require(report.estimate(.p50, of: result))
        #expect(pooled.median == result.response?.value(at: 50))
        #expect(pooled.rounds == 1 && pooled.spread == nil)
        #expect(report.latency(of: result) == result.response)
    }

    @Test func `a percentile beyond the curve is missing`() {
        let latency = BenchFixture.distribution(1000, samples: 1000)
        #expect(latency.value(at: 99) != nil)
        #expect(latency.value(at: 99.9) == nil)
    }

    @Test func `faults add up over the rounds`() {
        var report = BenchFixture.report(["a"], loads: BenchFixture.sweep([1]))
        report.results[0].rounds[1].wrongBytes = 3
        report.results[0].rounds[4].wrongBytes = 4
        #expect(report.estimate(.wrong, of: report.results[0])?.median == 7)
        #expect(report.estimate(.failed, of: report.results[0])?.median == 0)
        #expect(report.estimate(.missed, of: report.results[0]) == nil)
    }

    @Test func `a ranking leaves out who failed or returned wrong bytes`() {
        var report = BenchFixture.report(["a", "b", "c", "d"], loads: BenchFixture.sweep([10]))
        #expect(report.ranking(.rate, load: 0).map(\.subject).suffix(2) == [2, 3])
        #expect(report.ranking(.cpu, load: 0).map(\.subject).suffix(2) == [2, 3])
        report.results[0].failure = "refused"
        report.results[1].rounds[0].wrongBytes = 1
        #expect(report.ranking(.rate, load: 0).map(\.subject) == [2, 3])
        #expect(report.ranking(.rate, load: 0).last?.toBest?.verdict == .lower)
    }

    @Test func `loads that differ in connections only make a sweep`() {
        var loads = BenchFixture.sweep([100, 1, 10])
        loads[2].size = 4096
        #expect(BenchFixture.report(["a"], loads: loads).sweeps == [[1, 0], [2]])
    }

    @Test func `changes are matched by name and load`() throws {
        let before = BenchFixture.report(["a", "b"], loads: BenchFixture.sweep([1, 10]))
        var after = BenchFixture.report(["b", "new"], loads: BenchFixture.sweep([10, 100]))
        for round in after.results[0].rounds.indices { after.results[0].rounds[round].echoes *= 2 }
        after.environment.kernel = "Linux 7"
        let changes = after.changes(since: before)
        #expect(Set(changes.map(\.subject)) == [0] && Set(changes.map(\.load)) == [0])
        let rate = try #require(changes.first { $0.metric == .rate })
        #expect(rate.isBetter == true && rate.ratio?.verdict == .higher)
        #expect(rate.before == before.estimate(.rate, of: before.results[3]))
        #expect(changes.first { $0.metric == .p99 }?.isBetter == nil)
        let notes = after.reservations(about: before)
        #expect(notes.contains("The kernel was Linux 6.18.44, and is Linux 7."))
        #expect(notes.contains("The baseline lacks 3 of 4 combinations of server and load."))
        #expect(before.reservations(about: before).isEmpty)
        #expect(before.changes(since: before).allSatisfy { $0.isBetter == nil })
    }
}
