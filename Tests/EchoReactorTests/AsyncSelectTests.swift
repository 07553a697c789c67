import EchoSockets
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct AsyncSelectTests {
    @Test func `AS-1: a selection replaces the one before it`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .write], postingTo: fixture.queue)
        #expect(fixture.events(1) == [.write])
        try socket.select(.close, postingTo: fixture.queue)
        peer.send("x")
        #expect(fixture.rest() == [])
        let other = MessageQueue()
        try socket.select(.read, postingTo: other)
        fixture.loop.turn(waitingAtMost: .zero)
        #expect(other.count == 1)
        #expect(fixture.queue.isEmpty)
    }

    @Test func `AS-1: mask 0 cancels`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        try socket.select([], postingTo: fixture.queue)
        peer.send("x")
        peer.close()
        #expect(fixture.rest() == [])
        #expect(fixture.isQuiet)
    }

    @Test func `AS-2: a queued message outlives its socket, its handle does not`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.send("x")
        fixture.loop.turn(waitingAtMost: nil)
        socket.close()
        fixture.sockets.remove(socket.handle)
        let (successor, _) = try fixture.pair()
        #expect(successor.handle.slot == socket.handle.slot)
        let messages = fixture.messages(1)
        #expect(messages.map(\.event) == [.read])
        #expect(messages.first?.socket == socket.handle)
        #expect(messages.allSatisfy { fixture.sockets[$0.socket] == nil })
        #expect(socket.receiveOutcome() == .failed(Errno(rawValue: ENOTSOCK)))
        #expect(throws: SystemError.self) { try socket.select(.read, postingTo: fixture.queue) }
    }

    @Test func `AS-2: closing within a turn stops what was still to be posted`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.send("x")
        fixture.loop.onWake = { socket.close() }
        fixture.loop.waker.wake()
        fixture.loop.turn(waitingAtMost: nil)
        fixture.loop.onWake = nil
        #expect(fixture.rest() == [])
    }

    @Test func `AS-3: a message carries one event, and a close its error`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .write, .close], postingTo: fixture.queue)
        peer.send("x")
        let messages = fixture.messages(2)
        #expect(messages.allSatisfy { $0.event.isSingle && $0.socket == socket.handle })
        #expect(messages.allSatisfy { $0.error == nil })
        #expect(socket.receiveText() == "x")
        peer.reset()
        let close = NetworkMessage(
            socket: socket.handle,
            event: .close,
            error: CompactErrno(Errno(rawValue: ECONNRESET))
        )
        #expect(fixture.messages(1) == [close])
        #expect(socket.receiveOutcome() == .failed(Errno(rawValue: ECONNRESET)))
    }

    @Test func `AS-4, PF-12: without a receive one read is posted, however much arrives`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, postingTo: fixture.queue)
        for _ in 0..<5 {
            peer.send("x")
            fixture.loop.turn(waitingAtMost: .zero)
        }
        #expect(fixture.rest() == [.read])
        // Nor does the loop spin over what it does not post.
        #expect(fixture.isQuiet)
        #expect(socket.receiveText() == "x")
        #expect(fixture.events(1) == [.read])
        #expect(socket.receiveText() == "xxxx")
        #expect(fixture.rest() == [])
    }

    @Test func `AS-5: half a read posts exactly one more READ`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, postingTo: fixture.queue)
        peer.send(String(repeating: "a", count: 100))
        #expect(fixture.events(1) == [.read])
        #expect(socket.receiveText(50)?.count == 50)
        #expect(fixture.queue.count == 1)
        #expect(fixture.rest() == [.read])
        #expect(socket.receiveText(50)?.count == 50)
        #expect(fixture.rest() == [])
    }

    @Test func `AS-5: one receive for each READ gets everything, in order`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, postingTo: fixture.queue)
        let text = (0..<10_000).map { "\($0) " }.joined()
        peer.send(text)
        var received = ""
        while received.utf8.count < text.utf8.count {
            let events = fixture.events(1)
            try #require(!events.isEmpty)
            for _ in events { received += socket.receiveText(1000) ?? "" }
        }
        #expect(received == text)
    }

    @Test func `AS-6: selecting posts READ for data that is already there`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        peer.send("x")
        try socket.select(.read, postingTo: fixture.queue)
        #expect(fixture.events(1) == [.read])
        // Read ahead by now, and still unread: selecting again posts again.
        try socket.select(.read, postingTo: fixture.queue)
        #expect(fixture.rest() == [.read])
    }

    @Test func `AS-6: peeking while data remains posts READ again`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, postingTo: fixture.queue)
        peer.send("x")
        #expect(fixture.events(1) == [.read])
        #expect(socket.receiveText(peeking: true) == "x")
        #expect(fixture.rest() == [.read])
        #expect(socket.receiveText() == "x")
        #expect(fixture.rest() == [])
    }

    @Test func `AS-6: selecting again posts WRITE and CLOSE again`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .write, .close], postingTo: fixture.queue)
        #expect(fixture.events(1) == [.write])
        peer.shutdown()
        #expect(fixture.events(1) == [.close])
        try socket.select([.read, .write, .close], postingTo: fixture.queue)
        #expect(fixture.rest() == [.write, .close])
    }

    @Test func `AS-9: events of one turn are posted in their order`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        _ = socket.fill()
        // Nothing is sendable at the selection; then room and bytes come in the same turn.
        try socket.select([.outOfBand, .read, .write, .close], postingTo: fixture.queue)
        #expect(fixture.queue.isEmpty)
        peer.send("x")
        peer.send("!", flags: CInt(MSG_OOB))
        while peer.drain() > 0 {}
        try #require(socket.withSocket { $0.poll(CInt(POLLOUT)) } == true)
        fixture.loop.turn(waitingAtMost: nil)
        #expect(fixture.events(0) == [.outOfBand, .read, .write])
    }

    @Test func `AS-9: what holds at the selection is posted in its order`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        peer.send("x")
        peer.send("!", flags: CInt(MSG_OOB))
        try #require(socket.withSocket { $0.wait(for: CInt(POLLPRI), atMost: 10_000) } != 0)
        try socket.select([.write, .close, .read, .outOfBand], postingTo: fixture.queue)
        #expect(fixture.queue.count == 3)
        #expect(fixture.rest() == [.outOfBand, .read, .write])
    }

    @Test func `AS-9: events of several sockets keep each socket's order`() throws {
        let fixture = try Fixture()
        let (first, firstPeer) = try fixture.tcpPair()
        let (second, secondPeer) = try fixture.tcpPair()
        for (socket, peer) in [(first, firstPeer), (second, secondPeer)] {
            _ = socket.fill()
            try socket.select([.outOfBand, .read, .write, .close], postingTo: fixture.queue)
            peer.send("x")
            peer.send("!", flags: CInt(MSG_OOB))
            while peer.drain() > 0 {}
            try #require(socket.withSocket { $0.poll(CInt(POLLOUT)) } == true)
        }
        fixture.loop.turn(waitingAtMost: nil)
        let messages = fixture.messages(6)
        for socket in [first, second] {
            let own = messages.filter { $0.socket == socket.handle }.map(\.event)
            #expect(own == [.outOfBand, .read, .write])
        }
    }
}
