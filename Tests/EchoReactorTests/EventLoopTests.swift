import CEchoLinux
import EchoSockets
import Glibc
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct EventLoopTests {
    @Test(arguments: LoopMethod.allCases)
    func `a loop uses the method it was asked for, and never select by itself`(
        _ method: LoopMethod
    ) throws {
        let loop = try EventLoop(method: method)
        #expect(loop.methodName == (method == .automatic ? "epoll" : method.rawValue))
    }

    @Test(arguments: [LoopMethod.epoll, .poll, .select])
    func `a turn runs the callback of a readable descriptor, once a turn`(
        _ method: LoopMethod
    ) throws {
        let loop = try EventLoop(method: method)
        // A watch must go before its loop and what it calls: an optimised build may let go of these
        // after their last use.
        defer { withExtendedLifetime(loop) {} }
        let pair = try Socket.pair()
        let calls = CallCounter()
        defer { withExtendedLifetime(calls) {} }
        let watch = try calls.watch(loop, pair.first.number, .read)
        try watch.add()
        loop.turn(waitingAtMost: .zero)
        #expect(calls.count == 0)
        _ = pair.second.sendText("x")
        loop.turn(waitingAtMost: nil)
        loop.turn(waitingAtMost: nil)
        #expect(calls.count == 2)
        watch.remove()
        loop.turn(waitingAtMost: .zero)
        #expect(calls.count == 2)
        let isPending = watch.isPending
        #expect(!isPending)
    }

    // It went on until nothing was ready: a server with many slow readers stood still, and spun.
    @Test func `a turn that only looks runs each callback once, though its condition stays`() throws
    {
        final class Reader {
            var calls = 0
            let wakeup: Wakeup
            init() throws { wakeup = try Wakeup() }
        }
        let loop = try EventLoop()
        let reader = try Reader()
        defer { withExtendedLifetime((loop, reader)) {} }
        let watch = unsafe try Watch(
            loop.base,
            descriptor: reader.wakeup.number,
            .read,
            persistent: true,
            context: Unmanaged.passUnretained(reader).toOpaque()
        ) { _, _, context in
            guard let context = unsafe context else { return }
            let reader = unsafe Unmanaged<Reader>.fromOpaque(context).takeUnretainedValue()
            reader.calls += 1
            // Ends it in any case.
            if reader.calls == 1000 { reader.wakeup.clear() }
        }
        try watch.add()
        reader.wakeup.signal()
        loop.turn(waitingAtMost: .zero)
        #expect(reader.calls == 1)
    }

    @Test func `a turn waits no longer than asked`() throws {
        let loop = try EventLoop()
        let start = MonotonicTime.now
        loop.turn(waitingAtMost: .milliseconds(30))
        let spent = MonotonicTime.now - start
        // libevent measures with the coarse clock, which may be a tick (up to 10 ms) behind.
        #expect(spent >= .milliseconds(20))
        #expect(spent < .seconds(10))
    }

    @Test func `PF-1: select refuses a descriptor above 1023 instead of aborting`() throws {
        let loop = try EventLoop(method: .select)
        let pair = try Socket.pair()
        let large = Descriptor(adopting: fcntl(pair.first.number, F_DUPFD_CLOEXEC, 1024))
        try #require(large.rawValue >= 1024)
        let calls = CallCounter()
        #expect {
            _ = try calls.watch(loop, large.rawValue, .read)
        } throws: { error in
            let number = large.rawValue
            return "\(error)"
                == "descriptor \(number) is beyond what select(2) can watch (0 to 1023)"
        }
        let poll = try EventLoop(method: .poll)
        defer { withExtendedLifetime((poll, calls)) {} }
        let watch = try calls.watch(poll, large.rawValue, .read)
        try watch.add()
        _ = pair.second.sendText("x")
        poll.turn(waitingAtMost: nil)
        #expect(calls.count == 1)
    }

    @Test func `E-m: a freed watch never fires for the descriptor's next owner`() throws {
        let loop = try EventLoop()
        let (calls, other) = (CallCounter(), CallCounter())
        defer { withExtendedLifetime((loop, calls, other)) {} }
        let number: CInt
        do {
            let pair = try Socket.pair()
            number = pair.first.number
            let watch = try calls.watch(loop, number, .read)
            try watch.add()
        }
        let pair = try Socket.pair()
        _ = pair.first.sendText("x")
        _ = pair.second.sendText("x")
        let watch = try other.watch(loop, pair.first.number, .read)
        try watch.add()
        loop.turn(waitingAtMost: nil)
        #expect(calls.count == 0)
        #expect(other.count == 1)
    }
}

@Suite(.timeLimit(.minutes(5)))
struct LoopWakerTests {
    private final class Work: Sendable {
        let count = Locked(0)
    }

    @Test func `many wakes before the loop looks cost one callback`() throws {
        let loop = try EventLoop()
        var wakes = 0
        loop.onWake = { wakes += 1 }
        for _ in 0..<1000 { loop.waker.wake() }
        loop.turn(waitingAtMost: nil)
        loop.turn(waitingAtMost: .zero)
        #expect(wakes == 1)
        loop.waker.wake()
        loop.turn(waitingAtMost: nil)
        #expect(wakes == 2)
    }

    @Test func `no work that other threads publish before a wake is missed`() throws {
        let loop = try EventLoop()
        let total = 4 * 20_000
        let work = Work()
        let waker = loop.waker
        var seen = 0
        loop.onWake = {
            seen += work.count.withLock { value in
                defer { value = 0 }
                return value
            }
        }
        let threads = try (0..<4).map { index in
            try Thread(name: "waker \(index)") {
                for _ in 0..<20_000 {
                    work.count.withLock { $0 += 1 }
                    waker.wake()
                }
            }
        }
        let deadline = MonotonicTime.now + .seconds(30)
        while seen < total && MonotonicTime.now < deadline { loop.turn(waitingAtMost: .seconds(1)) }
        for thread in threads { thread.join() }
        #expect(seen == total)
    }
}

@Suite(.timeLimit(.minutes(5)))
struct LoopTimerTests {
    private func turn(_ loop: EventLoop, until isDone: () -> Bool) {
        let deadline = MonotonicTime.now + .seconds(10)
        while !isDone(), MonotonicTime.now < deadline { loop.turn(waitingAtMost: .seconds(1)) }
    }

    @Test func `a timer fires once, not before its time`() throws {
        let loop = try EventLoop()
        var fired = 0
        let timer = try LoopTimer(on: loop) { fired += 1 }
        let start = MonotonicTime.now
        try timer.schedule(after: .milliseconds(30))
        #expect(timer.isScheduled)
        turn(loop) { fired > 0 }
        #expect(MonotonicTime.now - start >= .milliseconds(20))
        #expect(!timer.isScheduled)
        loop.turn(waitingAtMost: .milliseconds(60))
        #expect(fired == 1)
    }

    @Test func `a timer that is cancelled does not fire`() throws {
        let loop = try EventLoop()
        var fired = 0
        let timer = try LoopTimer(on: loop) { fired += 1 }
        try timer.schedule(after: .milliseconds(10))
        timer.cancel()
        loop.turn(waitingAtMost: .milliseconds(50))
        #expect(fired == 0)
    }

    @Test func `a timer may be released by its own handler`() throws {
        let loop = try EventLoop()
        var timer: LoopTimer?
        timer = try LoopTimer(on: loop) { timer = nil }
        try timer?.schedule(after: .zero)
        turn(loop) { timer == nil }
        #expect(timer == nil)
    }
}
