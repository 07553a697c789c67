import EchoSockets
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct CloseAndWriteTests {
    @Test func `AS-7: WRITE comes with the selection, and again only after a send did not fit`()
        throws
    {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.write, postingTo: fixture.queue)
        #expect(fixture.rest() == [.write])
        socket.sendText("fits")
        #expect(fixture.rest() == [])
        #expect(socket.fill() > 0)
        #expect(fixture.rest() == [])
        while peer.drain() > 0 {}
        #expect(fixture.events(1) == [.write])
        #expect(fixture.rest() == [])
    }

    @Test func `AS-7: a blocked send is remembered until WRITE is selected`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        _ = socket.fill()
        try socket.select(.write, postingTo: fixture.queue)
        #expect(fixture.rest() == [])
        while peer.drain() > 0 {}
        #expect(fixture.events(1) == [.write])
    }

    @Test func `PF-13: an idle socket with WRITE selected costs no turn`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .write, .close], postingTo: fixture.queue)
        #expect(fixture.rest() == [.write])
        #expect(fixture.isQuiet)
        _ = peer
    }

    @Test func `AS-8: CLOSE comes once, when all data has been received`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.send("last words")
        peer.shutdown()
        #expect(fixture.events(1) == [.read])
        #expect(socket.receiveText(4) == "last")
        #expect(fixture.events(1) == [.read])
        #expect(socket.receiveText() == " words")
        let messages = fixture.messages(1)
        #expect(messages.map(\.event) == [.close])
        #expect(messages.first?.error == nil)
        #expect(socket.receiveOutcome() == .endOfStream)
        #expect(fixture.rest() == [])
    }

    @Test func `AS-8: an end that a receive finds is told as CLOSE too`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.close()
        #expect(socket.receiveOutcome() == .endOfStream)
        // Without it this turn would not end: nothing else is going to happen.
        fixture.loop.turn(waitingAtMost: nil)
        #expect(fixture.rest() == [.close])
    }

    @Test func `AS-8: CLOSE is told even if READ is not selected`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.close, postingTo: fixture.queue)
        peer.send("x")
        peer.close()
        #expect(fixture.rest() == [])
        #expect(fixture.isQuiet)
        #expect(socket.receiveText() == "x")
        #expect(fixture.events(1) == [.close])
    }

    @Test func `AS-8: a reset that a send finds is the error of CLOSE`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.reset()
        // The send takes the error from the kernel; the receive that follows finds an end only.
        #expect(socket.sendText("x") == .failed(Errno(rawValue: ECONNRESET)))
        let messages = fixture.messages(1)
        #expect(messages.map(\.event) == [.close])
        #expect(messages.first?.error == Errno(rawValue: ECONNRESET))
    }

    @Test func `PF-6: a half-closed socket that is kept does not spin`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.shutdown()
        #expect(fixture.events(1) == [.close])
        #expect(fixture.isQuiet)
        // CO-4: our direction is still open.
        #expect(socket.sendText("owed") == .bytes(4))
        while peer.drain() == 0 {}
    }

    @Test func `PF-6: an end behind data that nobody receives does not spin`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.send("x")
        fixture.loop.turn(waitingAtMost: nil)
        peer.close()
        #expect(fixture.rest() == [.read])
        #expect(fixture.isQuiet)
        #expect(socket.receiveText() == "x")
        #expect(fixture.events(1) == [.close])
    }

    @Test func `CO-7: data before a reset is received, then the reset`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.send("x")
        #expect(fixture.events(1) == [.read])
        peer.reset()
        #expect(socket.receiveText() == "x")
        let messages = fixture.messages(1)
        #expect(messages.map(\.event) == [.close])
        #expect(messages.first?.error == Errno(rawValue: ECONNRESET))
    }
}
