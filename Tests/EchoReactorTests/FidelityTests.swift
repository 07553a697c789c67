import EchoSockets
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

/// What Windows was seen to do where a port to Linux easily does something else.
@Suite(.timeLimit(.minutes(5)))
struct FidelityTests {
    private let fixture: Fixture
    private let events = EventSet()
    private let event: EventObject

    init() throws {
        fixture = try Fixture()
        event = try #require(events.makeEvent())
    }

    private func unconnected() throws -> NetworkSocket {
        try NetworkSocket(
            fixture.loop,
            adopting: try Socket(family: AF_INET),
            phase: .unconnected
        )
    }

    private func refusing() throws -> SocketAddress {
        let listener = try Listener(.loopback(port: 0))
        return listener.address
    }

    private let reset = Transfer.failed(Errno(rawValue: ECONNRESET))

    @Test func `CO-7: every send after a reset gives the reset`() throws {
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.reset()
        #expect(fixture.events(1) == [.close])
        for _ in 0..<3 { #expect(socket.sendText("x") == reset) }
        #expect(socket.receiveOutcome() == reset)
    }

    @Test func `CO-7: so does every send after the one that found it`() throws {
        let (socket, peer) = try fixture.tcpPair()
        peer.reset()
        for _ in 0..<3 { #expect(socket.sendText("x") == reset) }
    }

    @Test func `CO-7: a reset after the peer's end of stream gives the reset, our own end not`()
        throws
    {
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.close()
        #expect(fixture.events(1) == [.close])
        // The peer's kernel answers it with a reset.
        socket.sendText("x")
        try #require(
            socket.ready(for: CInt(POLLHUP)) != 0
                || eventually {
                    socket.ready(for: CInt(POLLHUP)) & CInt(POLLHUP) != 0
                }
        )
        #expect(socket.sendText("x") == reset)
        let (other, _) = try fixture.tcpPair()
        other.shutdown(.sending)
        #expect(other.sendText("x") == .failed(Errno(rawValue: EPIPE)))
    }

    private func eventually(_ condition: () -> Bool) -> Bool {
        let deadline = MonotonicTime.now + .seconds(10)
        while MonotonicTime.now < deadline { if condition() { return true } }
        return condition()
    }

    @Test func `sending without a connection says so`() throws {
        let socket = try unconnected()
        #expect(socket.sendText("x") == .failed(Errno(rawValue: ENOTCONN)))
    }

    @Test func `PF-11: no OOB for a socket that was never connected, or is refused`() throws {
        let socket = try unconnected()
        try socket.select([.outOfBand, .connect], postingTo: fixture.queue)
        #expect(fixture.rest() == [])
        try socket.connect(to: try refusing())
        #expect(fixture.events(1) == [.connect])
        #expect(fixture.isQuiet)
    }

    @Test func `PF-11: no OOB for a reset or an end`() throws {
        let (first, firstPeer) = try fixture.tcpPair()
        try first.select([.outOfBand, .read, .close], postingTo: fixture.queue)
        firstPeer.reset()
        #expect(fixture.events(1) == [.close])
        let (second, secondPeer) = try fixture.tcpPair()
        try second.select([.outOfBand, .read, .close], postingTo: fixture.queue)
        secondPeer.close()
        #expect(fixture.events(1) == [.close])
        second.shutdown(.both)
        #expect(fixture.rest() == [])
        try second.select([.outOfBand], postingTo: fixture.queue)
        #expect(fixture.rest() == [])
        #expect(fixture.isQuiet)
    }

    @Test func `ES-5: what was enumerated survives a cancellation, unless it was received`() throws
    {
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, signalling: event)
        peer.send("x")
        #expect(fixture.loop.wait(for: events) == .signalled(0))
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .read)
        try socket.select([], signalling: event)
        try socket.select(.read, signalling: event)
        #expect(fixture.loop.wait(for: events, timeout: .zero) == .timedOut)
        #expect(try socket.enumerateNetworkEvents().events == [])
        // Receiving re-enables it, also while nothing is selected.
        try socket.select([], signalling: event)
        #expect(socket.receiveText() == "x")
        peer.send("y")
        try socket.select(.read, signalling: event)
        #expect(fixture.loop.wait(for: events, timeout: .seconds(10)) == .signalled(0))
        #expect(try socket.enumerateNetworkEvents().events == .read)
    }

    @Test func `ES-5: what was recorded and not enumerated is recorded anew after a cancellation`()
        throws
    {
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, signalling: event)
        peer.send("x")
        #expect(fixture.loop.wait(for: events) == .signalled(0))
        event.reset()
        try socket.select([], signalling: event)
        try socket.select(.read, signalling: event)
        #expect(event.isSignalled)
        #expect(try socket.enumerateNetworkEvents().events == .read)
    }

    @Test
    func `ES-6: the selection records CONNECT for a connected socket, an accepted one has WRITE`()
        throws
    {
        let listener = try NetworkListener(fixture.loop, adopting: try Listener(.loopback(port: 0)))
        try listener.select([.accept, .connect, .write], signalling: event)
        let socket = try unconnected()
        try socket.connect(to: try #require(listener.localAddress))
        let other = try #require(events.makeEvent())
        try socket.select(.connect, signalling: other)
        #expect(fixture.loop.wait(for: events) == .signalled(0))
        while !other.isSignalled { fixture.loop.turn(waitingAtMost: nil) }
        let connected = try socket.enumerateNetworkEvents(resetting: other)
        #expect(connected.events == .connect)
        #expect(connected.error(of: .connect) == nil)
        guard case .accepted(let accepted, _) = listener.accept() else {
            Issue.record("nothing accepted")
            return
        }
        let inheritor = try listener.inheritor(adopting: accepted)
        fixture.loop.turn(waitingAtMost: .zero)
        #expect(try inheritor.enumerateNetworkEvents(resetting: event).events == .write)
        // Selected for the first time after it was connected.
        let (late, peer) = try fixture.tcpPair()
        try late.select([.connect, .write], signalling: other)
        #expect(other.isSignalled)
        #expect(try late.enumerateNetworkEvents().events == [.connect, .write])
        _ = peer
    }

    @Test func `connecting again is refused: under way, or done`() throws {
        let listener = try Listener(.loopback(port: 0))
        let socket = try unconnected()
        try socket.select([.connect, .write], postingTo: fixture.queue)
        try socket.connect(to: listener.address)
        if socket.phase == .connecting {
            #expect(errno { try socket.connect(to: listener.address) } == EALREADY)
        }
        #expect(fixture.events(2) == [.connect, .write])
        #expect(errno { try socket.connect(to: listener.address) } == EISCONN)
        #expect(fixture.rest() == [])
    }

    private func errno(_ body: () throws -> Void) -> CInt? {
        do {
            try body()
            return nil
        } catch {
            return (error as? SystemError)?.errno.rawValue
        }
    }

    @Test func `CO-1: a closed listener's handle names nothing: accept and selection fail`() throws
    {
        let listener = try NetworkListener(fixture.loop, adopting: try Listener(.loopback(port: 0)))
        try listener.select(.accept, postingTo: fixture.queue)
        listener.close()
        guard case .failed(let error) = listener.accept() else {
            Issue.record("accepted")
            return
        }
        #expect(error == .notASocket)
        #expect(errno { try listener.select(.accept, postingTo: fixture.queue) } == ENOTSOCK)
        #expect(errno { try listener.armAddressListChange() } == ENOTSOCK)
        #expect(errno { _ = try listener.enumerateNetworkEvents() } == ENOTSOCK)
        #expect(listener.localAddress == nil)
        #expect(!listener.hasQueue)
        #expect(fixture.rest() == [])
    }

    @Test func `AS-12: an accepted socket has OOB, unless its listener has urgent data inline`()
        throws
    {
        for inline in [false, true] {
            let options = ConnectionOptions(urgentInline: inline)
            let listener = try NetworkListener(
                fixture.loop,
                adopting: try Listener(.loopback(port: 0), options: options)
            )
            let client = try Socket(family: AF_INET, blocking: true)
            _ = try client.connect(to: try #require(listener.localAddress))
            try listener.select([.accept, .outOfBand, .read], postingTo: fixture.queue)
            #expect(fixture.events(1) == [.accept])
            guard case .accepted(let accepted, _) = listener.accept() else {
                Issue.record("nothing accepted")
                return
            }
            let socket = try listener.inheritor(adopting: accepted)
            client.sendText("!", flags: CInt(MSG_OOB))
            #expect(fixture.events(1) == [inline ? .read : .outOfBand])
            #expect(inline ? socket.receiveText() == "!" : socket.receiveUrgent() == 33)
        }
    }
}
