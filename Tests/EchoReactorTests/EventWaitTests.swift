import EchoSockets
import EchoWinsock
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct EventWaitTests {
    private func makeEvents(_ count: Int) throws -> (EventSet, [EventObject]) {
        let set = EventSet()
        return (set, try (0..<count).map { _ in try #require(set.makeEvent()) })
    }

    @Test func `ES-2: an event stays signalled until it is reset`() throws {
        let loop = try EventLoop()
        let (set, events) = try makeEvents(1)
        #expect(loop.wait(for: set, timeout: .zero) == .timedOut)
        events[0].signal()
        for _ in 0..<3 { #expect(loop.wait(for: set) == .signalled(0)) }
        events[0].reset()
        #expect(loop.wait(for: set, timeout: .zero) == .timedOut)
    }

    @Test func `ES-8: a wait takes 1 to 64 events`() throws {
        let loop = try EventLoop()
        #expect(loop.wait(for: EventSet()) == .noEvents)
        let (set, events) = try makeEvents(64)
        #expect(set.makeEvent() == nil)
        events[63].signal()
        #expect(loop.wait(for: set) == .signalled(63))
    }

    @Test func `ES-9: the lowest signalled index wins, every time`() throws {
        let loop = try EventLoop()
        let (set, events) = try makeEvents(4)
        events[3].signal()
        #expect(loop.wait(for: set) == .signalled(3))
        events[1].signal()
        for _ in 0..<3 { #expect(loop.wait(for: set) == .signalled(1)) }
        // The sweep that keeps the others from starving.
        #expect(set.firstSignalled(from: 2) == 3)
    }

    @Test func `ES-10: a wait lasts as long as its timeout`() throws {
        let loop = try EventLoop()
        let (set, _) = try makeEvents(2)
        let start = MonotonicTime.now
        #expect(loop.wait(for: set, timeout: .milliseconds(50)) == .timedOut)
        #expect(MonotonicTime.now - start >= .milliseconds(50))
    }

    @Test func `an alertable wait ends after a wake has been handled`() throws {
        let loop = try EventLoop()
        let (set, _) = try makeEvents(1)
        var handled = 0
        loop.onWake = { handled += 1 }
        let waker = loop.waker
        let thread = try Thread(name: "waker") { waker.wake() }
        defer { thread.join() }
        #expect(loop.wait(for: set, alertable: true) == .routinesRan)
        #expect(handled == 1)
    }

    @Test func `CR-1: what is queued does not run in a wait that is not alertable`() throws {
        let loop = try EventLoop()
        let (set, _) = try makeEvents(1)
        var handled = 0
        loop.onWake = { handled += 1 }
        loop.waker.wake()
        #expect(loop.wait(for: set, timeout: .milliseconds(20)) == .timedOut)
        #expect(handled == 0)
        // Nor is it lost.
        #expect(loop.wait(for: set, timeout: .zero, alertable: true) == .routinesRan)
        #expect(handled == 1)
        loop.onWake = nil
    }

    @Test func `CR-3: a routine that signals the awaited event: the wait reports the routine`()
        throws
    {
        let loop = try EventLoop()
        let (set, events) = try makeEvents(1)
        loop.onWake = { events[0].signal() }
        loop.waker.wake()
        #expect(loop.wait(for: set, alertable: true) == .routinesRan)
        #expect(loop.wait(for: set, alertable: true) == .signalled(0))
        loop.onWake = nil
    }

    @Test func `CR-4: an event that is signalled already goes before what is queued`() throws {
        let loop = try EventLoop()
        let (set, events) = try makeEvents(1)
        var handled = 0
        loop.onWake = { handled += 1 }
        loop.waker.wake()
        events[0].signal()
        #expect(loop.wait(for: set, alertable: true) == .signalled(0))
        #expect(handled == 0)
        events[0].reset()
        #expect(loop.wait(for: set, alertable: true) == .routinesRan)
        #expect(handled == 1)
        loop.onWake = nil
    }

    @Test func `an event signalled within the loop that waits for it costs no wake`() throws {
        let fixture = try Fixture()
        let (set, events) = try makeEvents(1)
        let (socket, peer) = try fixture.pair()
        var wakes = 0
        fixture.loop.onWake = { wakes += 1 }
        try socket.select(.read, signalling: events[0])
        for _ in 0..<10 {
            peer.send("x")
            #expect(fixture.loop.wait(for: set) == .signalled(0))
            #expect(try socket.enumerateNetworkEvents(resetting: events[0]).events == .read)
            #expect(socket.receiveText() == "x")
        }
        fixture.loop.turn(waitingAtMost: .zero)
        #expect(wakes == 0)
        fixture.loop.onWake = nil
    }
}
