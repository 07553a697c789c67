import EchoSockets
import EchoTestSupport
import Testing

@testable import EchoServer

/// Which datagrams are answered, by the test's own clock.
@Suite(.timeLimit(.minutes(5)))
struct DatagramRulesTests {
    private static let server = InternetAddress(ipv4: 0xC000_0201, port: 5150)
    private static let client = InternetAddress(ipv4: 0xC633_6401, port: 40_000)

    private func client(_ port: UInt16) -> InternetAddress {
        InternetAddress(ipv4: 0xC633_6401, port: port)
    }

    private func guarded(rate: Int = LoopGuard.defaultRate) -> DatagramRules {
        DatagramRules(LoopGuard(rate: rate, ownPorts: [5150, 6000]))
    }

    @Test(arguments: [true, false])
    func `what was sent to a group, or has no source, is never answered`(_ isGuarded: Bool) {
        var rules = isGuarded ? guarded() : DatagramRules(nil)
        let multicast = InternetAddress(ipv4: 0xE000_0001, port: 40_000)
        let multicast6 = InternetAddress(high: 0xFF02 << 48, low: 1, port: 40_000)
        #expect(rules.refusal(from: Self.client, isToGroup: true) == .group)
        #expect(rules.refusal(from: client(0), isToGroup: false) == .noSource)
        for source in [
            InternetAddress(high: 0, low: 0, port: 40_000),
            InternetAddress(ipv4: 0, port: 40_000), multicast, multicast6,
        ] {
            #expect(rules.refusal(from: source, isToGroup: false) == .noSource)
        }
        #expect(rules.refusal(from: Self.client, isToGroup: false) == nil)
    }

    @Test func `services' ports and our own are not answered, unless there is no guard`() {
        var (rules, unguarded) = (guarded(), DatagramRules(nil))
        let expected: [(UInt16, EchoServer.DatagramRefusal?)] = [
            (1, .reservedPort), (7, .reservedPort), (1023, .reservedPort), (1024, nil),
            (5149, nil), (5150, .ownPort), (6000, .ownPort), (65_535, nil),
        ]
        for (port, refusal) in expected {
            #expect(rules.refusal(from: client(port), isToGroup: false) == refusal, "port \(port)")
            #expect(unguarded.refusal(from: client(port), isToGroup: false) == nil)
        }
    }

    @Test func `without a guard everything of a client is answered`() {
        var rules = DatagramRules(nil)
        var clock = TestClock()
        for _ in 0..<100_000 {
            clock.advance(.microseconds(10))
            #expect(rules.judge([1], from: Self.client, clock) == nil)
        }
    }

    @Test func `a source may send two seconds' worth at once, and then at its rate`() {
        var rules = guarded(rate: 100)
        var clock = TestClock()
        var numbers = Numbers()
        func send(_ count: Int) -> Int {
            (0..<count).count { _ in
                rules.judge(numbers.next(), from: Self.client, clock) == nil
            }
        }
        #expect(send(1_000) == 200)
        #expect(send(1_000) == 0)
        clock.advance(.milliseconds(500))
        #expect(send(1_000) == 50)
        clock.advance(.seconds(60))
        #expect(send(1_000) == 200)
    }

    /// The sources of one host share a bucket; other hosts have their own.
    @Test func `a bucket is of an IPv4 address, or of an IPv6 network of 64 bits`() {
        let network: UInt64 = 0x2001_0DB8_0000_0001
        let cases: [(InternetAddress, InternetAddress, Bool)] = [
            (client(40_000), client(50_000), true),
            (client(40_000), InternetAddress(ipv4: 0xC633_6402, port: 40_000), false),
            (
                InternetAddress(high: network, low: 1, port: 40_000),
                InternetAddress(high: network, low: 2, port: 40_000), true
            ),
            (
                InternetAddress(high: network, low: 1, port: 40_000),
                InternetAddress(high: network + 1, low: 1, port: 40_000), false
            ),
        ]
        for (one, other, isShared) in cases {
            var rules = guarded(rate: 1)
            let clock = TestClock()
            #expect(rules.judge([1], from: one, clock) == nil)
            #expect(rules.judge([2], from: one, clock) == nil)
            #expect(rules.judge([3], from: one, clock) == .rate)
            #expect(rules.judge([4], from: other, clock) == (isShared ? .rate : nil))
        }
    }

    /// However many sources there are, one that has used up its bucket does not get a new one.
    @Test func `a million sources do not displace one that sends too much`() {
        var buckets = SourceBuckets(rate: 100)
        var clock = TestClock()
        let noisy = Self.client
        while buckets.take(from: noisy, at: clock.now) {}
        var answered = 0
        for index in 0..<1_000_000 {
            clock.advance(.microseconds(1))
            let source = InternetAddress(ipv4: 0x0A00_0000 + UInt32(index), port: 40_000)
            let isTaken = buckets.take(from: source, at: clock.now)
            #expect(isTaken)
            if index % 100 == 0, buckets.take(from: noisy, at: clock.now) { answered += 1 }
        }
        // A second has passed.
        #expect((95...105).contains(answered))
    }

    @Test(arguments: [1.0, 0.8])
    func `a probe that sends the same every second is never cut`(_ period: Double) {
        var rules = guarded()
        var clock = TestClock()
        for _ in 0..<10_000 {
            clock.advance(.seconds(period))
            #expect(rules.judge([1, 2, 3], from: Self.client, clock) == nil)
        }
    }

    @Test func `a burst of the same 500 bytes, and 1,000 in lockstep, are all answered`() {
        var rules = guarded()
        var clock = TestClock()
        for _ in 0..<500 { #expect(rules.judge([1], from: client(40_001), clock) == nil) }
        for _ in 0..<1_000 {
            clock.advance(.microseconds(50))
            #expect(rules.judge([1], from: client(40_002), clock) == nil)
        }
    }

    @Test func `a client that sends the same ten times a second loses one in a hundred at most`() {
        var rules = guarded()
        var clock = TestClock()
        var refused = 0
        for _ in 0..<10_000 {
            clock.advance(.milliseconds(100))
            if rules.judge([1], from: Self.client, clock) != nil { refused += 1 }
        }
        #expect((1...100).contains(refused))
    }

    @Test func `datagrams that differ are no sequence, wherever they come from`() {
        var rules = guarded()
        var clock = TestClock()
        var numbers = Numbers()
        for index in 0..<10_000 {
            clock.advance(.milliseconds(10))
            #expect(rules.judge(numbers.next(), from: Self.client, clock) == nil)
            // The same bytes from ever other ports.
            let port = UInt16(10_000 + index % 50_000)
            #expect(rules.judge([1], from: client(port), clock) == nil)
        }
    }

    @Test func `identity is in the beginning, the end, and the length`() {
        let base = [UInt8](repeating: 7, count: 1_000)
        func others(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
            var bytes = base
            change(&bytes)
            return bytes
        }
        for other in [
            others { $0[127] = 8 }, others { $0[999 - 127] = 8 }, others { $0.append(7) },
        ] {
            var rules = guarded()
            var clock = TestClock()
            for index in 0..<20 {
                clock.advance(.milliseconds(400))
                let bytes = index % 2 == 0 ? base : other
                // 0.8 s from one to the next of the same.
                #expect(rules.judge(bytes, from: Self.client, clock) == nil)
            }
        }
    }
}

/// Different datagrams.
struct Numbers {
    private var last: UInt64 = 0

    mutating func next() -> [UInt8] {
        last += 1
        return unsafe withUnsafeBytes(of: last) { unsafe Array($0) }
    }
}

/// A clock that a test sets.
struct TestClock {
    private(set) var now = MonotonicTime(nanoseconds: 1_000_000_000_000)

    mutating func advance(_ duration: Duration) {
        now = now + duration
    }
}

extension DatagramRules {
    /// Judges a datagram that came alone, to this host.
    mutating func judge(
        _ bytes: [UInt8],
        from source: InternetAddress,
        _ clock: TestClock
    ) -> EchoServer.DatagramRefusal? {
        if let refusal = refusal(from: source, isToGroup: false) { return refusal }
        return unsafe bytes.withUnsafeBytes {
            unsafe refusal(of: $0, from: source, at: clock.now)
        }
    }
}
