import EchoSockets
import Testing

@testable import EchoClient
@testable import echo

/// What `echo ping` prints, as values.
@Suite(.timeLimit(.minutes(1)))
struct PingFormatTests {
    @Test(arguments: [
        (0, "0 ns"), (999, "999 ns"), (1000, "1.00 us"), (9994, "9.99 us"), (9996, "10.0 us"),
        (99_960, "100 us"), (61_234, "61.2 us"), (999_499, "999 us"), (999_600, "1.00 ms"),
        (1_234_567, "1.23 ms"), (999_600_000, "1.00 s"), (12_345_000_000, "12.3 s"),
    ])
    func `a time has three digits and a unit`(_ nanoseconds: Int, _ text: String) {
        #expect(TimeText.text(.nanoseconds(nanoseconds)) == text)
    }

    @Test func `a table has one unit, and a dash for what is not known`() {
        let time = Duration.microseconds(1500)
        #expect(TimeText.cell(time, in: .microseconds) == "1500")
        #expect(TimeText.cell(time, in: .milliseconds) == "1.50")
        #expect(TimeText.cell(nil, in: .milliseconds) == "-")
        #expect(TimeText.percent(0) == "0" && TimeText.percent(0.125) == "12.5")
    }

    @Test(arguments: [
        ("10ms,20%", PingThreshold(roundTrip: .milliseconds(10), loss: 20)),
        ("20%,10ms", PingThreshold(roundTrip: .milliseconds(10), loss: 20)),
        ("1.5s", PingThreshold(roundTrip: .milliseconds(1500), loss: nil)),
        ("0.5%", PingThreshold(roundTrip: nil, loss: 0.5)),
    ])
    func `a threshold is a round trip, a loss, or both`(
        _ text: String,
        _ threshold: PingThreshold
    ) throws {
        #expect(try PingThreshold.parse(text) == threshold)
    }

    @Test(arguments: ["", "10", "%", "0%", "101%", "1ms,2ms", "1%,2%", "1ms,", "-1%", "nan%"])
    func `a threshold that is none is refused`(_ text: String) {
        #expect(throws: (any Error).self) { try PingThreshold.parse(text) }
    }

    private func report(
        _ roundTrips: [Int],
        lost: Int = 0,
        wrong: Int = 0
    ) -> EchoPing.EndpointReport {
        var tally = PingTally(.tcp("127.0.0.1", port: 7))
        for _ in 0..<(roundTrips.count + lost + wrong) { tally.noteSent() }
        for time in roundTrips {
            tally.note(.received(roundTrip: .microseconds(time)), wasLost: false)
        }
        for _ in 0..<lost { tally.note(.lost(reason: "no echo within 2s"), wasLost: false) }
        for _ in 0..<wrong { tally.note(.wrong(evidence: "offset 0"), wasLost: false) }
        return tally.current
    }

    @Test func `a mean or a loss that reaches the threshold breaks it`() throws {
        let threshold = try PingThreshold.parse("1ms,20%")
        #expect(!threshold.isBroken(by: report([999])))
        #expect(threshold.isBroken(by: report([500, 1500])))
        #expect(!threshold.isBroken(by: report([10, 10, 10, 10, 10], lost: 1)))
        #expect(threshold.isBroken(by: report([10, 10, 10, 10], lost: 1)))
        #expect(try PingThreshold.parse("1ms").isBroken(by: report([], lost: 2)))
    }

    @Test func `the state of an endpoint is that of its worst fault`() throws {
        let plain = PingVerdict(warning: nil, critical: nil)
        #expect(plain.state(of: report([10])) == .ok)
        #expect(plain.state(of: report([10], lost: 1)) == .warning)
        #expect(plain.state(of: report([], lost: 1)) == .critical)
        #expect(plain.state(of: report([10], wrong: 1)) == .critical)
        #expect(plain.state(of: report([])) == .unknown)
        let strict = PingVerdict(warning: try .parse("1ms"), critical: try .parse("5ms,50%"))
        #expect(strict.state(of: report([10, 10, 10], lost: 1)) == .ok)
        #expect(strict.state(of: report([1000])) == .warning)
        #expect(strict.state(of: report([5000])) == .critical)
        #expect(strict.state(of: report([10], lost: 1)) == .critical)
    }

    private func run(_ endpoints: EchoPing.EndpointReport...) -> EchoPing.Report {
        EchoPing.Report(duration: .seconds(1), endpoints: endpoints, lateness: nil)
    }

    @Test func `the line of a plugin has the data that graphs are made of`() throws {
        let verdict = PingVerdict(warning: try .parse("10ms,20%"), critical: try .parse("60%"))
        #expect(
            verdict.line(run(report([100, 200])))
                == "ECHO OK - 127.0.0.1:7: 150 us, 0 % lost "
                + "| rtt=0.1500ms;10.0000;;0 loss=0%;20;60;0;100\n"
        )
        let line = verdict.line(run(report([100]), report([], lost: 1)))
        #expect(
            line.hasPrefix("ECHO CRITICAL - 127.0.0.1:7: 100 % lost (no echo within 2s); 1 of 2")
        )
        #expect(line.contains("'127.0.0.1:7 rtt'=U;10.0000;;0 '127.0.0.1:7 loss'=100%;20;60;0;100"))
    }

    private func lines(_ endpoints: Int, terminal: Bool = false) -> PingLines {
        let endpoint = EchoEndpoint.tcp("127.0.0.1", port: 7)
        let screen = Screen(
            environment: ["TERM": "xterm"],
            isTerminal: terminal,
            terminalColumns: nil
        )
        let ping = EchoPing([EchoEndpoint](repeating: endpoint, count: endpoints))
        return PingLines(ping: ping, screen: screen)
    }

    @Test func `a percentile without samples enough is a dash`() {
        let text = lines(1).summary(run(report([100, 200, 300])))
        #expect(text.contains("round trip: min 100 us, p50 200 us, p90 -, p99 -, max 300 us\n"))
        #expect(text.contains("mean 200 us, stddev 100 us, jitter 100 us\n"))
        #expect(text.contains("3 sent, 3 received, 0 lost (0 %), 0 wrong\n"))
    }

    @Test func `two tables fit eighty columns`() {
        let text = lines(2).summary(run(report([100, 200]), report([1_000_000], lost: 1)))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(text)")
        #expect(text.contains("round trips in us\n"))
        #expect(text.contains("127.0.0.1:7: no echo within 2s\n"))
    }

    @Test func `what is lost is red, on a terminal only`() {
        let probe = EchoPing.Probe(
            endpoint: 0,
            sequence: 3,
            due: .seconds(3),
            lateness: .zero,
            sent: .milliseconds(3001),
            connect: nil,
            outcome: .lost(reason: "no echo within 2s")
        )
        let plain = "    3.001  127.0.0.1:7  seq 3  lost: no echo within 2s\n"
        #expect(lines(1).line(probe) == plain)
        let coloured = plain.replacing("lost", with: "\u{1B}[31mlost\u{1B}[0m")
        #expect(lines(1, terminal: true).line(probe) == coloured)
    }
}
