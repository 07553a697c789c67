import EchoSockets
import EchoTestSupport
import Testing

/// The queue behind the log and the messages to the service manager.
@Suite(.timeLimit(.minutes(1)))
struct DeliveryQueueTests {
    /// What a consumer was given, and a gate that it waits at each time.
    private final class Received: Sendable {
        let elements = Locked<[Int]>([])
        let dropped = Locked<[Int]>([])
        let begun = Gate()
        let gate = Gate()

        func queue(count: Int, size: Int) -> DeliveryQueue<Int> {
            DeliveryQueue(count: count, size: size) { [self] batch in
                begun.open()
                gate.wait()
                elements.withLock { $0 += batch.elements }
                if batch.dropped > 0 { dropped.withLock { $0.append(batch.dropped) } }
            }
        }
    }

    @Test(arguments: [(4, Int.max), (Int.max, 40)])
    func `what finds it full is dropped, and counted behind what it held`(
        _ count: Int,
        _ size: Int
    ) throws {
        let received = Received()
        let queue = received.queue(count: count, size: size)
        try queue.start(name: "test")
        queue.add(0, size: 10)
        received.begun.wait()
        // One is being delivered, which counts: three more have room.
        for number in 1...6 { queue.add(number, size: 10) }
        #expect(!queue.flush(within: .milliseconds(10)))
        for _ in 0..<3 { received.gate.open() }
        #expect(queue.flush(within: patience))
        #expect(received.elements.withLock { $0 } == [0, 1, 2, 3])
        #expect(received.dropped.withLock { $0 } == [3])
        queue.add(7, size: 10)
        #expect(queue.flush(within: patience))
        #expect(received.elements.withLock { $0 } == [0, 1, 2, 3, 7])
    }

    @Test func `it delivers what it holds when its owner lets go of it`() async throws {
        let received = Received()
        var queue: DeliveryQueue<Int>? = received.queue(count: 10, size: .max)
        try queue?.start(name: "test")
        for number in 0..<5 { queue?.add(number, size: 0) }
        queue = nil
        for _ in 0..<5 { received.gate.open() }
        #expect(await eventually { received.elements.withLock { $0 } == [0, 1, 2, 3, 4] })
    }

    @Test func `one that was never started has nobody wait for it`() {
        let queue = Received().queue(count: 10, size: .max)
        #expect(queue.flush(within: patience))
        queue.add(1, size: 0)
        #expect(!queue.flush(within: patience))
    }
}
