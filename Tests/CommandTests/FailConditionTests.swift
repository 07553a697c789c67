import ArgumentParser
import EchoTestSupport
import Testing

@testable import EchoClient
@testable import echo

/// The conditions of `--fail-if`.
struct FailConditionTests {
    @Test(
        arguments: [
            ("p99>2ms", nil, .p99, .above, .value(2_000_000)),
            ("p50 >= 15.5us", nil, .p50, .atLeast, .value(15_500)),
            ("rate<100k/s", nil, .rate, .below, .value(100_000)),
            ("throughput<=1.5MB/s", nil, .throughput, .atMost, .value(1_500_000)),
            ("cpu>3us", nil, .cpu, .above, .value(3)),
            ("syscalls>2.5", nil, .syscalls, .above, .value(2.5)),
            ("memory>16KiB", nil, .memory, .above, .value(16_384)),
            ("client>90%", nil, .client, .above, .value(0.9)),
            ("wrong>0", nil, .wrong, .above, .value(0)),
            ("p99>1.2x", nil, .p99, .above, .ratio(1.2)),
            ("completion-port:p99>2ms", "completion-port", .p99, .above, .value(2_000_000)),
            ("127.0.0.1:7 : rate < 0.9x", "127.0.0.1:7", .rate, .below, .ratio(0.9)),
            ("a>b: p999>1s", "a>b", .p999, .above, .value(1_000_000_000)),
        ] as [(String, String?, EchoBench.Metric, FailCondition.Comparison, FailCondition.Bound)]
    )
    func `a condition has a figure, a comparison and a bound`(
        _ text: String,
        _ subject: String?,
        _ metric: EchoBench.Metric,
        _ comparison: FailCondition.Comparison,
        _ bound: FailCondition.Bound
    ) throws {
        let condition = try FailCondition(parsing: text)
        #expect(condition.subject == subject)
        #expect(condition.metric == metric)
        #expect(condition.comparison == comparison)
        #expect(condition.bound == bound)
        #expect(condition.needsBaseline == text.hasSuffix("x"))
    }

    @Test(arguments: [
        ("", "it has no <, <=, > or >="), ("p99", "it has no <"), ("p99=2ms", "it has no <"),
        ("rte>2/s", "did you mean rate?"), ("speed>1", "must be rate, throughput, p50"),
        (":p99>2ms", "no server before the colon"), ("p99>2", "the unit is missing"),
        ("p99>2", "a number with the unit us, ms, s or ns"), ("p99>2kg", "p99 has no unit kg"),
        ("p99>-2ms", "the value must be a number with the unit"), ("p99>ms", "must be a number"),
        ("rate<100", "a number with the unit /s, k/s or M/s"), ("wrong>1x", "must be a number"),
        ("wrong>1x", "wrong has no unit x"), ("syscalls>2.", "must be a number, or a multiple"),
        ("client>1.2.3%", "must be a number with the unit %"), ("p99>>2ms", "the figure must be"),
    ])
    func `an error says what is allowed`(
        _ text: String,
        _ reason: String
    ) throws {
        let error = try #require(throws: ValidationError.self) {
            _ = try FailCondition(parsing: text)
        }
        #expect(error.message.contains(reason), "\(error.message)")
        #expect(!error.message.contains("\n"))
    }

    @Test func `what breaks a condition is told for each server and load`() throws {
        let report = BenchFixture.report(["a", "b", "c"], loads: BenchFixture.sweep([1, 100]))
        #expect(
            try FailCondition(parsing: "p99>1h".replacing("1h", with: "9s")).broken(by: report)
                == []
        )
        let broken = try FailCondition(parsing: "rate>1/s").broken(by: report)
        #expect(broken.count == 6)
        #expect(broken[0].hasPrefix("rate>1/s: a, 1 connection, 64 bytes: rate is "))
        #expect(broken[0].hasSuffix("k/s"))
        let one = try FailCondition(parsing: "b:rate>1/s").broken(by: report)
        #expect(one.count == 2 && one.allSatisfy { $0.contains(": b, ") })
    }

    @Test func `what cannot be checked does not pass`() throws {
        var report = BenchFixture.report(["a", "b"], loads: BenchFixture.sweep([1]))
        #expect(
            try FailCondition(parsing: "z:p99>9s").broken(by: report)
                == ["z:p99>9s: there is no result of z"]
        )
        report.results[1].rounds = []
        report.results[1].service = nil
        report.results[1].failure = "connection refused"
        #expect(
            try FailCondition(parsing: "p99>9s").broken(by: report)
                == ["p99>9s: b, 1 connection, 64 bytes: there is no p99: connection refused"]
        )
        #expect(try FailCondition(parsing: "a:memory>1MiB").broken(by: report).count == 1)
        #expect(try FailCondition(parsing: "a:missed>0").broken(by: report) == [])
        #expect(
            try FailCondition(parsing: "a:p99>1.5x").broken(by: report)
                == [
                    "a:p99>1.5x: a, 1 connection, 64 bytes: the baseline has no p99 to compare with"
                ]
        )
    }

    @Test func `a ratio counts only beyond the noise`() throws {
        let before = BenchFixture.report(["a"], loads: BenchFixture.sweep([10]))
        var after = before
        let condition = try FailCondition(parsing: "rate<0.9x")
        #expect(condition.broken(by: after, baseline: before) == [])
        for round in after.results[0].rounds.indices { after.results[0].rounds[round].echoes /= 2 }
        let broken = condition.broken(by: after, baseline: before)
        #expect(broken.count == 1)
        #expect(broken.first?.contains("/s, 0.50x the baseline's ") == true, "\(broken)")
        #expect(try FailCondition(parsing: "rate<0.4x").broken(by: after, baseline: before) == [])
        // One round is as fast as before: the intervals meet.
        after.results[0].rounds[0].echoes = before.results[0].rounds[0].echoes * 2
        #expect(condition.broken(by: after, baseline: before) == [])
    }

    @Test func `any text is parsed or refused`() {
        var random = SeededGenerator(seed: 11)
        let parts = [
            "p99", ">", "<", "=", ":", "2", ".", "ms", "x", " ", "\u{0}", "é", "rate", "%", "/s",
        ]
        for _ in 0..<5000 {
            let count = Int.random(in: 0...7, using: &random)
            let text = (0..<count).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
            if let condition = try? FailCondition(parsing: text) { #expect(condition.text == text) }
        }
    }
}
