import EchoSockets
import Testing

@testable import EchoClient

/// What a ping decides without sockets: when probes are due, and what becomes of them.
@Suite(.timeLimit(.minutes(1)))
struct PingValueTests {
    private let start = MonotonicTime(nanoseconds: 1000)

    @Test func `probes are due at the start plus whole intervals`() {
        let schedule = PingSchedule(start: start, interval: .microseconds(1))
        #expect((0..<3).map { schedule.moment(of: $0).nanoseconds } == [1000, 2000, 3000])
        #expect(schedule.last(dueBy: MonotonicTime(nanoseconds: 999)) == -1)
        #expect(schedule.last(dueBy: MonotonicTime(nanoseconds: 1000)) == 0)
        #expect(schedule.last(dueBy: MonotonicTime(nanoseconds: 3999)) == 2)
    }

    @Test func `endpoints are spread evenly over the interval`() {
        let starts = (0..<4).map { index in
            PingSchedule(start: start, interval: .microseconds(8), endpoint: index, of: 4).start
        }
        #expect(starts.map(\.nanoseconds) == [1000, 3000, 5000, 7000])
    }

    @Test(arguments: [(0, 3000), (3000, 3000), (3001, 11_000), (11_000, 11_000), (50_000, 51_000)])
    func `an endpoint that joins later takes the next place of its grid`(
        _ now: Int64,
        _ first: Int64
    ) {
        let schedule = PingSchedule(
            start: start,
            interval: .microseconds(8),
            endpoint: 1,
            of: 4,
            notBefore: MonotonicTime(nanoseconds: now)
        )
        #expect(schedule.start.nanoseconds == first)
    }

    @Test func `a moment that no clock reaches does not overflow`() {
        let schedule = PingSchedule(start: start, interval: .seconds(86_400))
        #expect(schedule.moment(of: .max).nanoseconds == .max)
    }

    private func distribution(_ nanoseconds: [Int]) -> EchoPing.Times? {
        var recorder = TimeRecorder()
        for time in nanoseconds { recorder.record(.nanoseconds(time)) }
        return recorder.times
    }

    @Test func `minimum, maximum, mean and deviation are exact`() throws {
        let times = try #require(distribution([2_000_001, 4_000_000, 4_000_000, 6_000_003]))
        #expect(times.samples == 4)
        #expect(times.minimum == .nanoseconds(2_000_001))
        #expect(times.maximum == .nanoseconds(6_000_003))
        #expect(times.mean == .nanoseconds(4_000_001))
        // The square root of (2,000,000² + 1² + 1² + 2,000,002²) / 3.
        #expect(times.standardDeviation == .nanoseconds(1_632_994))
    }

    @Test(arguments: [(1, 0), (2, 1), (9, 1), (10, 2), (99, 2), (100, 3)])
    func `a percentile needs samples enough`(_ samples: Int, _ known: Int) throws {
        let times = try #require(distribution(Array(1...samples)))
        let percentiles = [times.p50, times.p90, times.p99]
        #expect(percentiles.compactMap(\.self).count == known)
        #expect(percentiles.prefix(known).allSatisfy { $0 != nil })
    }

    @Test(arguments: [100, TimeRecorder.exactCount])
    func `percentiles of few samples are exact`(_ count: Int) throws {
        let times = try #require(distribution((1...count).map { $0 * 1001 }.shuffled()))
        #expect(times.p50 == .nanoseconds(count / 2 * 1001))
        #expect(times.p90 == .nanoseconds((count * 90 + 99) / 100 * 1001))
        #expect(times.p99 == .nanoseconds((count * 99 + 99) / 100 * 1001))
    }

    @Test func `percentiles of many are exact to one part in a thousand`() throws {
        let times = try #require(distribution((1...1000).map { $0 * 10_000 }))
        for (time, expected) in [(times.p50, 5.0), (times.p90, 9.0), (times.p99, 9.9)] {
            let value = Double(try #require(time).nanoseconds) / 1_000_000
            #expect(abs(value - expected) <= expected / 1000, "\(value)")
        }
    }

    @Test func `without a sample there is no distribution`() {
        #expect(distribution([]) == nil)
    }

    private func probe(_ sequence: Int) -> PendingProbe {
        let due = MonotonicTime(nanoseconds: Int64(sequence) * 100)
        return PendingProbe(
            sequence: sequence,
            due: due,
            woken: due,
            deadline: due + .nanoseconds(150)
        )
    }

    @Test func `a lost probe keeps its place until its echo comes`() {
        var queue = ProbeQueue()
        for sequence in 0..<3 {
            queue.append(probe(sequence))
            queue.noteSent(at: start, end: (sequence + 1) * 64)
        }
        #expect(queue.deadline?.nanoseconds == 150)
        #expect(queue.popLost(by: MonotonicTime(nanoseconds: 149)) == nil)
        #expect(queue.popLost(by: MonotonicTime(nanoseconds: 150))?.sequence == 0)
        #expect(queue.popLost(by: MonotonicTime(nanoseconds: 150)) == nil)
        #expect(queue.firstSent?.end == 64)
        #expect(queue.sentCount == 3)
        let first = queue.popSent()
        #expect(first?.probe.sequence == 0 && first?.wasLost == true)
        let second = queue.popSent()
        #expect(second?.probe.sequence == 1 && second?.wasLost == false)
        #expect(queue.popAll().map(\.sequence) == [2])
        #expect(queue.popSent() == nil)
    }

    @Test func `a lost probe that was not sent takes no place`() {
        var queue = ProbeQueue()
        for sequence in 0..<3 { queue.append(probe(sequence)) }
        queue.noteSent(at: start, end: 64)
        let now = MonotonicTime(nanoseconds: 250)
        #expect(queue.popLost(by: now)?.sequence == 0)
        #expect(queue.popLost(by: now)?.sequence == 1)
        #expect(queue.popLost(by: now) == nil)
        #expect(queue.sentCount == 1)
        #expect(queue.firstWaiting?.sequence == 2)
    }

    @Test func `a long queue forgets what is over`() {
        var queue = ProbeQueue()
        for sequence in 0..<1000 {
            queue.append(probe(sequence))
            queue.noteSent(at: start, end: sequence + 1)
            if sequence >= 10 { #expect(queue.popSent()?.probe.sequence == sequence - 10) }
        }
        #expect(queue.popAll().map(\.sequence) == Array(990..<1000))
    }

    @Test func `a probe that is late and then wrong is no longer lost`() {
        var tally = PingTally(.tcp("localhost", port: 7))
        for _ in 0..<3 { tally.noteSent() }
        tally.note(.received(roundTrip: .microseconds(10)), wasLost: false)
        tally.note(.lost(reason: "late"), wasLost: false)
        tally.note(.late(roundTrip: .seconds(1)), wasLost: true)
        tally.note(.lost(reason: "late"), wasLost: false)
        #expect(tally.current.lost == 2 && tally.current.late == 1)
        tally.note(.wrong(evidence: "offset 3"), wasLost: true)
        #expect(tally.current.lost == 1 && tally.current.wrong == 1)
        #expect(tally.current.outstanding == 0)
        #expect(tally.current.loss == 1.0 / 3)
        #expect(tally.current.roundTrip?.samples == 1)
    }

    @Test func `jitter is the mean absolute difference of successive round trips`() {
        var tally = PingTally(.tcp("localhost", port: 7))
        for time in [10, 30, 20] {
            tally.note(.received(roundTrip: .microseconds(time)), wasLost: false)
        }
        #expect(tally.current.jitter == .microseconds(15))
    }

    @Test func `an endpoint is parsed and written as the command line has it`() throws {
        for text in ["localhost:7", "[::1]:5150", "udp:[::1]:7", "unix:@name"] {
            #expect("\(try EchoEndpoint(parsing: text))" == text)
        }
        #expect(try EchoEndpoint(parsing: "7") == .tcp("localhost", port: 7))
        let error = #expect(throws: EchoEndpoint.ParseError.self) {
            try EchoEndpoint(parsing: "host:")
        }
        #expect(
            error?.description
                == "invalid endpoint \"host:\": the port is missing: write host:PORT"
        )
    }
}
