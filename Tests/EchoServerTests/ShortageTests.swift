import EchoSockets
import Testing

@testable import EchoServer

/// What is said of episodes in which nothing can be accepted.
@Suite struct ShortageTests {
    private static let start = MonotonicTime(nanoseconds: 1_000_000_000)

    @Test func `an episode is logged at its beginning and at its end`() {
        var shortage = Shortage()
        let first = shortage.failed(at: Self.start)
        let second = shortage.failed(at: Self.start + .seconds(60))
        #expect(first && !second)
        #expect(shortage.isOngoing)
        let ended = shortage.end(at: Self.start + .seconds(61))
        #expect(ended?.span == .seconds(61))
        #expect(ended?.failures == 2)
        #expect(!shortage.isOngoing)
        let again = shortage.end(at: Self.start + .seconds(62))
        #expect(again == nil)
    }

    @Test func `episodes that follow each other at once are not logged`() {
        var shortage = Shortage()
        var lines = 0
        // One a millisecond, for 20 s.
        for moment in 0..<20_000 {
            let now = Self.start + .milliseconds(moment)
            if shortage.failed(at: now) { lines += 1 }
            if shortage.end(at: now) != nil { lines += 1 }
        }
        #expect((6...8).contains(lines), "\(lines)")
    }

    @Test func `one that lasts is logged, however soon it came`() {
        var shortage = Shortage()
        let first = shortage.failed(at: Self.start)
        #expect(first)
        _ = shortage.end(at: Self.start)
        let soon = [1, 2, 4].map { shortage.failed(at: Self.start + .seconds($0)) }
        #expect(soon == [false, false, false])
        let later = shortage.failed(at: Self.start + Shortage.quietPeriod)
        #expect(later)
        let ended = shortage.end(at: Self.start + .seconds(9))
        #expect(ended?.span == .seconds(8))
        #expect(ended?.failures == 4)
    }

    @Test func `each episode begins with a short pause`() {
        var shortage = Shortage()
        let pauses = (0..<7).map { _ in
            _ = shortage.failed(at: Self.start)
            return shortage.pause
        }
        #expect(pauses == [50, 100, 200, 400, 800, 1000, 1000].map { .milliseconds($0) })
        _ = shortage.end(at: Self.start)
        _ = shortage.failed(at: Self.start)
        #expect(shortage.pause == .milliseconds(50))
    }
}
