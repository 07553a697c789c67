import EchoSockets
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct EventSelectTests {
    private let fixture: Fixture
    private let events = EventSet()
    private let event: EventObject

    init() throws {
        fixture = try Fixture()
        event = try #require(events.makeEvent())
    }

    private func wait(_ timeout: Duration? = nil) -> WaitResult {
        fixture.loop.wait(for: events, timeout: timeout)
    }

    @Test func `ES-1: what happens is recorded and signals the event`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], signalling: event)
        #expect(wait(.zero) == .timedOut)
        peer.send("x")
        #expect(wait() == .signalled(0))
        let record = try socket.enumerateNetworkEvents(resetting: event)
        #expect(record.events == .read)
        #expect(record.error(of: .read) == nil)
    }

    @Test func `ES-1: selecting again clears the record`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .write], signalling: event)
        #expect(wait() == .signalled(0))
        try socket.select([.read], signalling: event)
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == [])
        _ = peer
    }

    @Test func `ES-1: mask 0 cancels`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], signalling: event)
        try socket.select([], signalling: event)
        peer.send("x")
        peer.close()
        #expect(wait(.zero) == .timedOut)
        #expect(try socket.enumerateNetworkEvents().events == [])
    }

    @Test func `ES-1: AS-1: messages replace the event, and the other way round`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, signalling: event)
        try socket.select(.read, postingTo: fixture.queue)
        peer.send("x")
        #expect(fixture.events(1) == [.read])
        #expect(!event.isSignalled)
        // Message mode has told of it, event mode has not.
        try socket.select(.read, signalling: event)
        #expect(event.isSignalled)
        #expect(fixture.rest() == [])
    }

    @Test func `ES-3: enumerating resets, and does not re-enable`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, signalling: event)
        peer.send("abcdef")
        #expect(wait() == .signalled(0))
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .read)
        #expect(wait(.zero) == .timedOut)
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == [])
        #expect(socket.receiveText(3) == "abc")
        #expect(wait(.zero) == .signalled(0))
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .read)
        #expect(socket.receiveText() == "def")
        #expect(wait(.zero) == .timedOut)
    }

    @Test func `ES-3: a closed socket gives an error and the event stays`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select(.write, signalling: event)
        socket.close()
        #expect(throws: SystemError.self) {
            try socket.enumerateNetworkEvents(resetting: event)
        }
        #expect(event.isSignalled)
        _ = peer
    }

    @Test func `ES-3: only the errors of recorded events are given`() throws {
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .close], signalling: event)
        peer.send("x")
        #expect(wait() == .signalled(0))
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .read)
        #expect(socket.receiveText() == "x")
        peer.reset()
        #expect(wait() == .signalled(0))
        let record = try socket.enumerateNetworkEvents(resetting: event)
        #expect(record.events == .close)
        #expect(record.error(of: .close) == Errno(rawValue: ECONNRESET))
        #expect(try socket.enumerateNetworkEvents().error(of: .close) == nil)
    }

    @Test func `ES-4: a plain reset leaves the record`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, signalling: event)
        peer.send("x")
        #expect(wait() == .signalled(0))
        event.reset()
        #expect(wait(.zero) == .timedOut)
        #expect(try socket.enumerateNetworkEvents().events == .read)
    }

    @Test func `ES-5: a condition that holds is signalled by the selection itself`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .write], signalling: event)
        #expect(event.isSignalled)
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .write)
        peer.send("x")
        #expect(wait() == .signalled(0))
        // Recorded and not enumerated: signals again.
        event.reset()
        try socket.select([.read, .write], signalling: event)
        #expect(event.isSignalled)
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .read)
    }

    @Test func `ES-5: what has been enumerated survives a new selection`() throws {
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, signalling: event)
        peer.send("x")
        #expect(wait() == .signalled(0))
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .read)
        try socket.select(.read, signalling: event)
        #expect(wait(.zero) == .timedOut)
        #expect(try socket.enumerateNetworkEvents().events == [])
    }

    @Test func `ES-6: a connected socket has CONNECT with an event, and not with messages`() throws
    {
        let (socket, peer) = try fixture.pair()
        try socket.select(.connect, postingTo: fixture.queue)
        #expect(fixture.rest() == [])
        try socket.select(.connect, signalling: event)
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .connect)
        _ = peer
    }

    @Test func `ES-7: sockets that share an event have records of their own`() throws {
        let (first, firstPeer) = try fixture.pair()
        let (second, secondPeer) = try fixture.pair()
        try first.select(.read, signalling: event)
        try second.select([.read, .write], signalling: event)
        firstPeer.send("x")
        fixture.loop.turn(waitingAtMost: nil)
        #expect(wait() == .signalled(0))
        #expect(try first.enumerateNetworkEvents().events == .read)
        #expect(try second.enumerateNetworkEvents().events == .write)
        _ = secondPeer
    }
}
