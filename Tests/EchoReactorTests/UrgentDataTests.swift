import EchoSockets
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct UrgentDataTests {
    @Test(arguments: [LoopMethod.epoll, .poll, .select])
    func `PF-11: urgent data gives OOB, once, under every method`(_ method: LoopMethod) throws {
        let fixture = try Fixture(method)
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.outOfBand, .read], postingTo: fixture.queue)
        peer.send("!", flags: CInt(MSG_OOB))
        #expect(fixture.events(1) == [.outOfBand])
        #expect(fixture.isQuiet)
        #expect(socket.receiveUrgent() == UInt8(ascii: "!"))
        #expect(socket.receiveUrgent() == nil)
        #expect(fixture.rest() == [])
        peer.send("?", flags: CInt(MSG_OOB))
        #expect(fixture.events(1) == [.outOfBand])
        #expect(socket.receiveUrgent() == UInt8(ascii: "?"))
    }

    @Test func `PF-11: ordinary data gives no OOB`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.outOfBand, .read], postingTo: fixture.queue)
        for _ in 0..<100 {
            peer.send("x")
            #expect(fixture.events(1) == [.read])
            #expect(socket.receiveText() == "x")
        }
    }

    @Test func `AS-4: without a receive one OOB is posted; receiving posts the next`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.outOfBand, .read], postingTo: fixture.queue)
        peer.send("1", flags: CInt(MSG_OOB))
        #expect(fixture.events(1) == [.outOfBand])
        peer.send("2", flags: CInt(MSG_OOB))
        // The second byte replaces the first: the kernel keeps one.
        #expect(fixture.rest() == [])
        #expect(socket.receiveUrgent() == UInt8(ascii: "2"))
        #expect(fixture.rest() == [])
        peer.send("3", flags: CInt(MSG_OOB))
        #expect(fixture.events(1) == [.outOfBand])
    }

    @Test func `AS-12: urgent data that is inline is READ`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        try socket.withSocket { (socket) throws(SystemError) in try socket.setUrgentInline() }
        try socket.select([.outOfBand, .read], postingTo: fixture.queue)
        peer.send("!", flags: CInt(MSG_OOB))
        #expect(fixture.events(1) == [.read])
        #expect(socket.receiveText() == "!")
        #expect(fixture.rest() == [])
    }

    @Test func `E-f: data around an urgent byte arrives whole and in order`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .close], postingTo: fixture.queue)
        peer.send("ab")
        peer.send("!", flags: CInt(MSG_OOB))
        peer.send("cd")
        peer.shutdown()
        var received = ""
        var closes = 0
        while closes == 0 {
            let events = fixture.events(1)
            try #require(!events.isEmpty)
            for event in events {
                if event == .close { closes += 1 } else { received += socket.receiveText() ?? "" }
            }
        }
        #expect(received == "abcd")
        #expect(closes == 1)
    }
}
