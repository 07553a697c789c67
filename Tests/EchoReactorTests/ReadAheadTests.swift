import CEchoLinux
import EchoSockets
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct ReadAheadTests {
    @Test func `a large receive takes what was read ahead and the kernel's rest`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, postingTo: fixture.queue)
        let text = String(repeating: "0123456789", count: 5000)
        peer.send(text)
        #expect(fixture.events(1) == [.read])
        let isWhole = socket.receiveText(100_000) == text
        #expect(isWhole)
        #expect(fixture.rest() == [])
    }

    @Test func `what is read ahead is received before what came later`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, postingTo: fixture.queue)
        peer.send("first")
        #expect(fixture.events(1) == [.read])
        peer.send(" second")
        // The first read was short, so that asking the kernel again would usually be in vain.
        #expect(socket.receiveText() == "first")
        #expect(fixture.events(1) == [.read])
        #expect(socket.receiveText() == " second")
    }

    @Test func `a steady state allocates nothing: buffers go back and are used again`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, postingTo: fixture.queue)
        for size in [10, 1000, 10, 5000] {
            peer.send(String(repeating: "x", count: size))
            #expect(fixture.events(1) == [.read])
            #expect(socket.receiveText(size)?.count == size)
        }
        let spare = fixture.loop.readAhead.spareCounts
        #expect(spare.small == 1)
        #expect(spare.large == 1)
    }

    @Test func `short messages of many sockets take small buffers`() throws {
        let fixture = try Fixture()
        let pairs = try (0..<300).map { _ in try fixture.pair() }
        for (socket, peer) in pairs {
            try socket.select(.read, postingTo: fixture.queue)
            peer.send("x")
        }
        #expect(fixture.events(300).count == 300)
        #expect(fixture.loop.readAhead.spareCounts.large == 1)
        for (socket, _) in pairs { #expect(socket.receiveText() == "x") }
        #expect(fixture.loop.readAhead.spareCounts.small == 300)
        #expect(fixture.rest() == [])
    }

    @Test func `a turn reads ahead 64 large buffers at most, and the next ones the others`() throws
    {
        let fixture = try Fixture()
        let pairs = try (0..<200).map { _ in try fixture.pair() }
        let text = String(repeating: "x", count: 20_000)
        for (socket, peer) in pairs {
            try socket.select(.read, postingTo: fixture.queue)
            peer.send(text)
        }
        var received = 0
        while received < 200 * 20_000 {
            fixture.loop.turn(waitingAtMost: .seconds(10))
            try #require(!fixture.queue.isEmpty)
            #expect(fixture.queue.count <= 64)
            while let message = fixture.queue.pop() {
                received += fixture.sockets[message.socket]?.receiveText(65536)?.utf8.count ?? 0
            }
        }
        #expect(received == 200 * 20_000)
        #expect(fixture.loop.readAhead.spareCounts.large <= 64)
    }

    @Test func `closing gives the buffer back`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select(.read, postingTo: fixture.queue)
        peer.send("x")
        #expect(fixture.events(1) == [.read])
        socket.close()
        #expect(fixture.loop.readAhead.spareCounts.small == 1)
    }

    @Test func `a socket that is released without being closed closes itself`() throws {
        let fixture = try Fixture()
        let peer: Peer
        do {
            let (socket, other) = try fixture.pair()
            try socket.select([.read, .write], postingTo: fixture.queue)
            peer = other
            peer.send("x")
            fixture.sockets.remove(socket.handle)
        }
        #expect(fixture.rest() == [.write])
        var byte: UInt8 = 0
        let outcome = unsafe withUnsafeMutableBytes(of: &byte) {
            unsafe peer.socket?.receive(into: $0)
        }
        #expect(outcome == .failed(Errno(rawValue: ECONNRESET)))
    }

    @Test func `a socket object and its event take 272 bytes`() throws {
        let fixture = try Fixture()
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .write, .close], postingTo: fixture.queue)
        let object = unsafe malloc_usable_size(Unmanaged.passUnretained(socket).toOpaque())
        // struct event is 128 bytes, and malloc adds 8 to each and rounds up to 16.
        #expect(object + 8 + 144 <= 272)
        _ = peer
    }
}
