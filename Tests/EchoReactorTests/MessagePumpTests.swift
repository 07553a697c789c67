import EchoSockets
import EchoWinsock
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct MessagePumpTests {
    @Test func `a queue is first in, first out, also when it grows and wraps`() {
        let queue = MessageQueue(capacity: 8)
        func message(_ number: UInt32) -> NetworkMessage {
            NetworkMessage(socket: SocketHandle(slot: number, generation: 0), event: .read)
        }
        var next: UInt32 = 0
        var expected: UInt32 = 0
        for round in 1...20 {
            for _ in 0..<round {
                queue.post(message(next))
                next += 1
            }
            for _ in 0..<(round / 2) {
                #expect(queue.pop() == message(expected))
                expected += 1
            }
        }
        while let found = queue.pop() {
            #expect(found == message(expected))
            expected += 1
        }
        #expect(expected == next)
    }

    @Test func `the pump echoes until it is told to quit`() throws {
        let fixture = try Fixture()
        let pump = MessagePump(fixture.loop)
        let (socket, peer) = try fixture.pair()
        try socket.select([.read, .close], postingTo: pump.queue)
        peer.send("ping")
        peer.shutdown()
        var events: [NetworkEvents] = []
        while let message = pump.next() {
            events.append(message.event)
            if message.event == .read, let text = socket.receiveText() { socket.sendText(text) }
            if message.event == .close { pump.postQuit() }
        }
        #expect(events == [.read, .close])
        #expect(peer.drain() == 4)
    }

    @Test func `a quit lets queued messages be taken first`() throws {
        let fixture = try Fixture()
        let pump = MessagePump(fixture.loop)
        let (socket, peer) = try fixture.pair()
        try socket.select(.write, postingTo: pump.queue)
        pump.postQuit()
        #expect(pump.next()?.event == .write)
        #expect(pump.next() == nil)
        #expect(pump.next() == nil)
        _ = peer
    }
}
