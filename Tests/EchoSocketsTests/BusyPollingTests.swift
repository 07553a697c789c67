import Testing

@testable import EchoSockets

/// What a loop does that waits again and again, by a clock of the test's.
private struct WaitingLoop {
    var polling: BusyPolling
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    /// Waits that have polled.
    var polls = 0

    init(_ budget: Duration?, seats: Int = 1) {
        polling = BusyPolling(budget, BusyPolling.Seats(seats))
    }

    /// Waits for what comes after a time; a look takes a microsecond.
    mutating func wait(
        _ time: Duration,
        latest: Duration? = nil,
        interruptedFor gap: Duration = .zero
    ) {
        let news = now + time
        var wait = polling.begin(latest.map { now + $0 }, now)
        if wait.polls { polls += 1 }
        now = now + gap
        while wait.polls {
            if now >= news { return polling.found(wait, now) }
            now = now + .microseconds(1)
            wait.noteTime(now)
        }
        now = max(now, news)
        polling.slept(wait, now)
    }

    /// Waits so often that it polls.
    mutating func warmUp() {
        for _ in 0..<8 { wait(.microseconds(20)) }
        #expect(polls == 0)
        #expect(polling.isHot)
    }
}

struct BusyPollingTests {
    @Test func `a loop polls once a few waits would have been ended by it`() {
        var loop = WaitingLoop(.microseconds(50))
        loop.warmUp()
        for _ in 0..<100 { loop.wait(.microseconds(20)) }
        #expect(loop.polls == 100)
    }

    @Test func `a loop with rare news never polls`() {
        var loop = WaitingLoop(.microseconds(50))
        for _ in 0..<1000 { loop.wait(.microseconds(60)) }
        #expect(loop.polls == 0)
    }

    @Test func `the end of what paid costs one poll`() {
        var loop = WaitingLoop(.microseconds(50))
        loop.warmUp()
        loop.wait(.microseconds(20))
        loop.polls = 0
        for _ in 0..<1000 { loop.wait(.milliseconds(1)) }
        #expect(loop.polls == 1)
    }

    // As if the client needed the processor that the loop polls on.
    @Test func `what comes only after the loop has gone to sleep makes it poll ever less`() {
        var loop = WaitingLoop(.microseconds(50))
        loop.warmUp()
        for _ in 0..<10_000 {
            loop.wait(loop.polling.isHot ? .microseconds(60) : .microseconds(5))
        }
        // After 1, 2, 4 ... 256 short waits, and then after 256 each.
        #expect((40...50).contains(loop.polls), "\(loop.polls)")
    }

    @Test func `a poll that another thread interrupts is in vain`() {
        var loop = WaitingLoop(.microseconds(50))
        loop.warmUp()
        loop.wait(.microseconds(20), interruptedFor: .milliseconds(3))
        #expect(!loop.polling.isHot)
    }

    @Test func `a success makes up for earlier failures`() {
        var loop = WaitingLoop(.microseconds(50))
        loop.warmUp()
        for _ in 0..<5 {
            loop.wait(.microseconds(60))
            while !loop.polling.isHot { loop.wait(.microseconds(5)) }
        }
        loop.wait(.microseconds(5))
        loop.wait(.microseconds(60))
        #expect(!loop.polling.isHot)
        loop.wait(.microseconds(5))
        #expect(loop.polling.isHot)
    }

    @Test func `a loop that has something else to do soon sleeps until then`() {
        var loop = WaitingLoop(.microseconds(50))
        loop.warmUp()
        loop.wait(.microseconds(20), latest: .microseconds(49))
        #expect(loop.polls == 0)
        loop.wait(.microseconds(20), latest: .microseconds(50))
        #expect(loop.polls == 1)
    }

    @Test func `no more threads poll at a time than there are seats`() {
        let seats = BusyPolling.Seats(2)
        let moment = MonotonicTime(nanoseconds: 1)
        var loops = (0..<4).map { _ in BusyPolling(nil, seats) }
        for index in loops.indices {
            for _ in 0..<8 { loops[index].slept(loops[index].begin(nil, moment), moment) }
        }
        var waits = loops.indices.map { loops[$0].begin(nil, moment) }
        #expect(waits.map(\.polls) == [true, true, false, false])
        loops[0].found(waits[0], moment)
        loops[2].slept(waits[2], moment)
        waits[3] = loops[3].begin(nil, moment)
        #expect(waits[3].polls)
        loops[3].slept(waits[3], moment)
        loops[1].slept(waits[1], moment)
        #expect(seats.take() && seats.take() && !seats.take())
    }

    @Test func `zero is never, and nothing is a default`() {
        #expect(!BusyPolling(.zero).isOn)
        #expect(!BusyPolling.off.isOn)
        #expect(!BusyPolling.off.isHot)
        #expect(BusyPolling(nil).isOn)
    }
}
