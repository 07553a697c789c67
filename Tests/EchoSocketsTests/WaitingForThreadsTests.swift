import EchoSockets
import Testing

@Suite(.timeLimit(.minutes(1)))
struct WaitingForThreadsTests {
    private struct Refusal: Error, Equatable {}

    @Test func `a group is over when it is closed and all its threads have ended`() throws {
        let group = ThreadGroup()
        let gate = Gate()
        let ended = Locked(0)
        for _ in 0..<8 {
            try group.start(name: "test") {
                gate.wait()
                ended.withLock { $0 += 1 }
            }
        }
        #expect(!group.join(until: .now))
        group.close()
        #expect(!group.join(until: .now + .milliseconds(10)))
        for _ in 0..<8 { gate.open() }
        group.join()
        #expect(ended.withLock { $0 } == 8)
        #expect(group.join(until: .now))
    }

    @Test func `a group without threads is over when it is closed`() {
        let group = ThreadGroup()
        group.close()
        group.join()
    }

    @Test func `a thread that sets itself up gives what it made, or why it could not`() throws {
        let group = ThreadGroup()
        let hasRun = Latch()
        #expect(try group.start(name: "test") { (7, { hasRun.open() }) } == 7)
        hasRun.wait()
        #expect(throws: Refusal.self) {
            try group.start(name: "test") { () throws -> (made: Int, run: () -> Void) in
                throw Refusal()
            }
        }
        group.close()
        group.join()
    }

    @Test func `a latch lets all through once it is open`() throws {
        let (latch, group) = (Latch(), ThreadGroup())
        #expect(!latch.wait(until: .now))
        for _ in 0..<3 { try group.start(name: "test") { latch.wait() } }
        latch.open()
        group.close()
        group.join()
        latch.wait()
        #expect(latch.wait(until: .now))
    }

    @Test func `an outcome is what came out first, for all who wait`() throws {
        let (outcome, group) = (Outcome<Int>(), ThreadGroup())
        let seen = Locked<[Int]>([])
        for _ in 0..<3 {
            try group.start(name: "test") {
                let value = outcome.wait()
                seen.withLock { $0.append(value) }
            }
        }
        outcome.whenSettled { value in seen.withLock { $0.append(value) } }
        outcome.settle(1)
        outcome.settle(2)
        outcome.whenSettled { value in seen.withLock { $0.append(value) } }
        group.close()
        group.join()
        #expect(seen.withLock { $0 } == [1, 1, 1, 1, 1])
    }
}
