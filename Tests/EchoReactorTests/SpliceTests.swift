import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

/// Sockets whose application moves bytes into a pipe.
@Suite(.timeLimit(.minutes(5)))
struct SpliceTests {
    private let fixture: Fixture
    private let socket: NetworkSocket
    private let peer: Peer

    init() throws {
        fixture = try Fixture()
        (socket, peer) = try fixture.tcpPair()
        try socket.select([.read, .write, .close], postingTo: fixture.queue)
        #expect(fixture.events(1) == [.write])
    }

    // Sends, and lets the socket be spliced from then on.
    private func begin(_ pipe: inout SplicePipe) {
        peer.send("first")
        #expect(fixture.events(1) == [.read])
        #expect(socket.receive(into: &pipe, atMost: 100) == nil, "some were read ahead")
        #expect(socket.receiveText() == "first")
        peer.send("second")
        #expect(fixture.events(1) == [.read])
        #expect(socket.ahead.isEmpty)
    }

    @Test func `AS-4, AS-5: each move re-enables FD_READ, and what is left is reported`() throws {
        var pipe = try SplicePipe()
        begin(&pipe)
        #expect(socket.receive(into: &pipe, atMost: 4) == .bytes(4))
        #expect(fixture.events(1) == [.read])
        #expect(socket.receive(into: &pipe, atMost: 4) == .bytes(2))
        #expect(fixture.rest() == [])
        #expect(socket.send(from: &pipe) == .bytes(6))
        #expect(pipe.count == 0)
        #expect(peer.drain() == 6)
    }

    @Test func `PF-12: what is not received is reported once, and the loop sleeps`() throws {
        var pipe = try SplicePipe()
        begin(&pipe)
        #expect(fixture.rest() == [])
        #expect(fixture.isQuiet)
        #expect(socket.receive(into: &pipe, atMost: 100) == .bytes(6))
        peer.send("third")
        #expect(fixture.events(1) == [.read])
        #expect(socket.receive(into: &pipe, atMost: 100) == .bytes(5))
    }

    @Test func `AS-8: the end is FD_CLOSE and no FD_READ`() throws {
        var pipe = try SplicePipe()
        begin(&pipe)
        peer.shutdown()
        #expect(fixture.rest() == [])
        #expect(socket.receive(into: &pipe, atMost: 100) == .bytes(6))
        #expect(fixture.events(1) == [.close])
        #expect(socket.receive(into: &pipe, atMost: 100) == nil)
        #expect(socket.receiveOutcome() == .endOfStream)
    }

    @Test func `AS-8: so is a reset, with its error`() throws {
        var pipe = try SplicePipe()
        begin(&pipe)
        #expect(socket.receive(into: &pipe, atMost: 100) == .bytes(6))
        peer.reset()
        let messages = fixture.messages(1)
        #expect(messages.map(\.event) == [.close])
        #expect(messages.first?.error?.rawValue == ECONNRESET)
        #expect(socket.receiveOutcome() == .failed(Errno(rawValue: ECONNRESET)))
    }

    @Test func `AS-8: a reset that a move meets first is reported as well`() throws {
        var pipe = try SplicePipe()
        begin(&pipe)
        #expect(socket.receive(into: &pipe, atMost: 100) == .bytes(6))
        peer.reset()
        let reset = Transfer.failed(Errno(rawValue: ECONNRESET))
        let isReset = eventuallyBlocking { socket.receive(into: &pipe, atMost: 100) == reset }
        #expect(isReset)
        let messages = fixture.messages(1)
        #expect(messages.map(\.event) == [.close])
        #expect(messages.first?.error?.rawValue == ECONNRESET)
    }

    @Test func `AS-7: FD_WRITE follows a pipe that was not emptied`() throws {
        var pipe = try SplicePipe()
        begin(&pipe)
        #expect(socket.receive(into: &pipe, atMost: 100) == .bytes(6))
        // Not through the socket, which would take note.
        let bytes = [UInt8](repeating: 7, count: 65_536)
        let number = socket.number
        let filled = filled {
            guard
                case .bytes(let count) = unsafe bytes.withUnsafeBytes({
                    unsafe Socket.send($0, to: number)
                })
            else { return 0 }
            return count
        }
        #expect(socket.send(from: &pipe) == .wouldBlock)
        #expect(pipe.count == 6)
        #expect(fixture.rest() == [])
        var drained = 0
        let isEmptied = eventuallyBlocking {
            drained += peer.drain()
            return drained == filled
        }
        #expect(isEmptied)
        #expect(fixture.events(1) == [.write])
        #expect(socket.send(from: &pipe) == .bytes(6))
    }

    @Test func `a receive into a buffer makes it read ahead again`() throws {
        var pipe = try SplicePipe()
        begin(&pipe)
        #expect(socket.receiveText() == "second")
        peer.send("third")
        #expect(fixture.events(1) == [.read])
        #expect(!socket.ahead.isEmpty)
    }

    @Test func `a closed socket moves nothing`() throws {
        var pipe = try SplicePipe()
        socket.close()
        #expect(socket.receive(into: &pipe, atMost: 100) == nil)
        #expect(socket.send(from: &pipe) == .failed(.notASocket))
    }
}
