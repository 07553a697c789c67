import EchoSockets
import Testing

@testable import EchoServer

/// Loops of echo services that answer each other, simulated: how long they last.
@Suite(.timeLimit(.minutes(5)))
struct DatagramLoopTests {
    /// One way, from a loopback interface to the other side of the earth.
    private static let latencies: [Duration] = [
        .microseconds(20), .microseconds(100), .milliseconds(1), .milliseconds(10),
        .milliseconds(50), .milliseconds(150),
    ]

    @Test(arguments: latencies, [true, false])
    func `one forged datagram starts no loop that lasts a second`(
        _ latency: Duration,
        _ isOtherGuarded: Bool
    ) {
        var loop = Loop(latency, isOtherGuarded: isOtherGuarded)
        loop.send(1)
        #expect(loop.run(for: .seconds(60)) < .seconds(1))
        #expect(loop.bounces > 1)
    }

    @Test func `a loop with the longest round trips ends after a few of them`() {
        var loop = Loop(.milliseconds(300), isOtherGuarded: false)
        loop.send(1)
        #expect(loop.run(for: .seconds(60)) < .milliseconds(1_500))
    }

    /// Single drops would take as many seconds as there are datagrams.
    @Test(arguments: latencies)
    func `a loop of many identical datagrams dies out`(_ latency: Duration) {
        var loop = Loop(latency, isOtherGuarded: false)
        loop.send(300)
        #expect(loop.run(for: .seconds(600)) < .seconds(300))
    }

    @Test func `loops of different datagrams end one by one, whatever their number`() {
        var loop = Loop(.milliseconds(100), isOtherGuarded: false)
        for number in 0..<200 { loop.send(1, bytes: [UInt8(number)]) }
        #expect(loop.run(for: .seconds(60)) < .seconds(1))
    }

    /// Nothing that comes from many places makes room for a loop.
    @Test func `a flood of others does not hide a loop`() {
        var loop = Loop(.milliseconds(20), isOtherGuarded: false)
        loop.send(1)
        loop.noise = 200
        #expect(loop.run(for: .seconds(60)) < .seconds(1))
    }
}

/// A server that is guarded, and another that answers it.
private struct Loop {
    private struct Flight {
        var arrival: MonotonicTime
        let bytes: [UInt8]
        var isToOther = false
    }

    private let latency: Duration
    private var rules = DatagramRules(LoopGuard(rate: LoopGuard.defaultRate, ownPorts: [5150]))
    private var others: DatagramRules
    private var clock = TestClock()
    private let start: MonotonicTime
    private var flights: [Flight] = []
    private var numbers = Numbers()
    private(set) var bounces = 0
    /// Different datagrams from elsewhere between two of the loop.
    var noise = 0

    init(_ latency: Duration, isOtherGuarded: Bool) {
        self.latency = latency
        start = clock.now
        others = DatagramRules(
            isOtherGuarded ? LoopGuard(rate: LoopGuard.defaultRate, ownPorts: [6000]) : nil
        )
    }

    /// Forges datagrams that seem to come from the other server.
    mutating func send(_ count: Int, bytes: [UInt8] = [1]) {
        for index in 0..<count {
            let arrival = start + latency * 2 * index / count
            flights.append(Flight(arrival: arrival, bytes: bytes))
        }
    }

    /// Returns when the last datagram arrived.
    mutating func run(for limit: Duration) -> Duration {
        // Of the same latency: first in, first out.
        flights.sort { $0.arrival < $1.arrival }
        var next = 0
        while next < flights.count, flights[next].arrival - start < limit {
            let flight = flights[next]
            next += 1
            clock.advance(flight.arrival - clock.now)
            bounces += 1
            guard !isRefused(flight) else { continue }
            flights.append(
                Flight(
                    arrival: clock.now + latency,
                    bytes: flight.bytes,
                    isToOther: !flight.isToOther
                )
            )
            if next > 4_096 {
                flights.removeFirst(next)
                next = 0
            }
        }
        return next < flights.count ? limit : clock.now - start
    }

    private mutating func isRefused(_ flight: Flight) -> Bool {
        if flight.isToOther {
            let server = InternetAddress(ipv4: 0xC000_0201, port: 5150)
            return others.judge(flight.bytes, from: server, clock) != nil
        }
        for _ in 0..<noise {
            let source = InternetAddress(ipv4: UInt32.random(in: .min ... .max), port: 40_000)
            _ = rules.judge(numbers.next(), from: source, clock)
        }
        let other = InternetAddress(ipv4: 0xC633_6401, port: 6000)
        return rules.judge(flight.bytes, from: other, clock) != nil
    }
}
