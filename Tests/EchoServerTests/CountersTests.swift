import EchoSockets
import EchoTestSupport
import Synchronization
import Testing

@testable import EchoServer

/// What is read of counters while others count.
@Suite(.timeLimit(.minutes(5)))
struct CountersTests {
    @Test func `no more is sent than was received, whenever one looks`() async throws {
        let group = CounterGroup()
        let (one, two) = (group.add(), group.add())
        let isOver = Atomic(false)
        async let counting: Void = onThread {
            while !isOver.load(ordering: .relaxed) {
                // What one worker has received another may send.
                one.received(1)
                two.sent(1)
                two.received(1)
                one.sent(1)
            }
        }
        let surplus = try await onThread {
            var surplus = 0
            for _ in 0..<200_000 {
                let totals = group.totals
                surplus = max(surplus, Int(totals.bytesSent) - Int(totals.bytesReceived))
            }
            isOver.store(true, ordering: .relaxed)
            return surplus
        }
        try await counting
        #expect(surplus == 0)
    }

    @Test func `no more datagrams are accounted for than have come, whenever one looks`()
        async throws
    {
        let group = DatagramCounterGroup()
        let counters = group.add()
        let isOver = Atomic(false)
        async let counting: Void = onThread {
            while !isOver.load(ordering: .relaxed) {
                counters.received(1)
                counters.refused(.rate, 1)
            }
        }
        let surplus = try await onThread {
            var surplus = 0
            for _ in 0..<200_000 {
                var statistics = EchoServer.Statistics()
                group.add(to: &statistics)
                let accounted = Int(statistics.datagramsRefusedTotal)
                surplus = max(surplus, accounted - Int(statistics.datagramsReceived))
            }
            isOver.store(true, ordering: .relaxed)
            return surplus
        }
        try await counting
        #expect(surplus == 0)
    }
}
