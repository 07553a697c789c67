import EchoSockets
import EchoWinsock
import Synchronization
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct EventWaitTests {
    private func events(_ count: Int, resetsAutomatically: Bool = false) -> [LoopEvent] {
        (0..<count).map { _ in LoopEvent(resetsAutomatically: resetsAutomatically) }
    }

    @Test func `ES-2: a manual event stays signalled, an automatic one satisfies one wait`() throws
    {
        let loop = try EventLoop()
        let manual = LoopEvent()
        #expect(try loop.wait(for: [manual], timeout: .zero) == .timedOut)
        manual.set()
        for _ in 0..<3 { #expect(try loop.wait(for: [manual]) == .signalled(0)) }
        manual.reset()
        #expect(try loop.wait(for: [manual], timeout: .zero) == .timedOut)
        let automatic = LoopEvent(resetsAutomatically: true)
        automatic.set()
        automatic.set()
        #expect(try loop.wait(for: [automatic]) == .signalled(0))
        #expect(try loop.wait(for: [automatic], timeout: .zero) == .timedOut)
    }

    @Test(arguments: [0, 65])
    func `ES-8: a wait takes 1 to 64 events`(_ count: Int) throws {
        let loop = try EventLoop()
        #expect {
            _ = try loop.wait(for: events(count))
        } throws: { error in
            guard case ReactorError.invalidEventCount(count) = error else { return false }
            return true
        }
        let most = events(64)
        most[63].set()
        #expect(try loop.wait(for: most) == .signalled(63))
    }

    @Test func `ES-8: the same event twice is an error only when all are waited for`() throws {
        let loop = try EventLoop()
        let event = LoopEvent()
        event.set()
        #expect(try loop.wait(for: [event, event]) == .signalled(0))
        #expect(throws: ReactorError.self) { try loop.wait(for: [event, event], all: true) }
    }

    @Test func `ES-9: the lowest signalled index wins, every time`() throws {
        let loop = try EventLoop()
        let all = events(4)
        all[3].set()
        #expect(try loop.wait(for: all) == .signalled(3))
        all[1].set()
        for _ in 0..<3 { #expect(try loop.wait(for: all) == .signalled(1)) }
        // The sweep that keeps the others from starving.
        #expect(all.indices.filter { all[$0].isSignalled } == [1, 3])
    }

    @Test func `ES-10: waiting for all changes nothing until all are signalled`() throws {
        let loop = try EventLoop()
        let all = events(3, resetsAutomatically: true)
        all[0].set()
        all[2].set()
        #expect(try loop.wait(for: all, all: true, timeout: .milliseconds(20)) == .timedOut)
        #expect(all.map(\.isSignalled) == [true, false, true])
        all[1].set()
        #expect(try loop.wait(for: all, all: true) == .signalled(0))
        #expect(all.map(\.isSignalled) == [false, false, false])
    }

    @Test func `ES-10: a wait lasts as long as its timeout`() throws {
        let loop = try EventLoop()
        let start = MonotonicTime.now
        #expect(try loop.wait(for: events(2), timeout: .milliseconds(50)) == .timedOut)
        #expect(MonotonicTime.now - start >= .milliseconds(50))
    }

    @Test func `ES-11: closing an event ends the wait for it with an error`() throws {
        let loop = try EventLoop()
        // Some of the rounds close before the wait, most of them during it.
        for _ in 0..<50 {
            let all = events(2)
            let closing = all[1]
            let thread = try Thread(name: "closer") { closing.close() }
            defer { thread.join() }
            #expect {
                _ = try loop.wait(for: all, timeout: .seconds(20))
            } throws: { error in
                guard case ReactorError.eventClosed = error else { return false }
                return true
            }
        }
    }

    @Test func `an event set by another thread ends the wait`() throws {
        let loop = try EventLoop()
        let (ping, pong) = (
            LoopEvent(resetsAutomatically: true), LoopEvent(resetsAutomatically: true)
        )
        let thread = try Thread(name: "other") {
            guard let other = try? EventLoop() else { return }
            for _ in 0..<1000 where (try? other.wait(for: [ping])) != nil { pong.set() }
        }
        defer { thread.join() }
        for _ in 0..<1000 {
            ping.set()
            #expect(try loop.wait(for: [pong], timeout: .seconds(20)) == .signalled(0))
        }
    }

    @Test func `one event wakes all who wait for it`() throws {
        let stop = LoopEvent()
        let counters = Counters()
        let threads = try (0..<4).map { index in
            try Thread(name: "waiter \(index)") {
                guard let loop = try? EventLoop() else { return }
                if (try? loop.wait(for: [LoopEvent(), stop])) == .signalled(1) {
                    counters.woken.add(1, ordering: .relaxed)
                }
            }
        }
        stop.set()
        for thread in threads { thread.join() }
        #expect(counters.woken.load(ordering: .relaxed) == 4)
    }

    private final class Counters: Sendable {
        let woken = Atomic<Int>(0)
    }

    @Test func `exactly one of several waiters gets an automatic event`() throws {
        let permit = LoopEvent(resetsAutomatically: true)
        let counters = Counters()
        let done = LoopEvent()
        let threads = try (0..<3).map { index in
            try Thread(name: "waiter \(index)") {
                guard let loop = try? EventLoop() else { return }
                while (try? loop.wait(for: [permit, done])) == .signalled(0) {
                    counters.woken.add(1, ordering: .sequentiallyConsistent)
                }
            }
        }
        for round in 1...200 {
            permit.set()
            let deadline = MonotonicTime.now + .seconds(20)
            while counters.woken.load(ordering: .sequentiallyConsistent) < round,
                MonotonicTime.now < deadline
            {}
            #expect(counters.woken.load(ordering: .sequentiallyConsistent) == round)
        }
        done.set()
        for thread in threads { thread.join() }
    }

    @Test func `an alertable wait ends after a wake has been handled`() throws {
        let loop = try EventLoop()
        var handled = 0
        loop.onWake = { handled += 1 }
        let waker = loop.waker
        let thread = try Thread(name: "waker") { waker.wake() }
        defer { thread.join() }
        #expect(try loop.wait(for: [LoopEvent()], alertable: true) == .alerted)
        #expect(handled == 1)
    }

    @Test func `an event set within the loop that waits for it costs no wake`() throws {
        let fixture = try Fixture()
        let event = LoopEvent()
        let (socket, peer) = try fixture.pair()
        var wakes = 0
        fixture.loop.onWake = { wakes += 1 }
        try socket.select(.read, signalling: event)
        for _ in 0..<10 {
            peer.send("x")
            #expect(try fixture.loop.wait(for: [event]) == .signalled(0))
            #expect(try socket.enumerateNetworkEvents(resetting: event).events == .read)
            #expect(socket.receiveText() == "x")
        }
        fixture.loop.turn(waitingAtMost: .zero)
        #expect(wakes == 0)
        fixture.loop.onWake = nil
    }
}
