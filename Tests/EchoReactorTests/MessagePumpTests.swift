import EchoSockets
import EchoWinsock
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct MessagePumpTests {
    @Test func `a queue is first in, first out, also when it grows and wraps`() {
        let queue = MessageQueue(capacity: 8)
        var next: UInt64 = 0
        var expected: UInt64 = 0
        for round in 1...20 {
            for _ in 0..<round {
                queue.post(.application(ApplicationMessage(code: 1, parameter: next)))
                next += 1
            }
            for _ in 0..<(round / 2) {
                #expect(
                    queue.pop() == .application(ApplicationMessage(code: 1, parameter: expected))
                )
                expected += 1
            }
        }
        while let message = queue.pop() {
            #expect(message == .application(ApplicationMessage(code: 1, parameter: expected)))
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
            guard case .network(let message) = message else { continue }
            events.append(message.event)
            if message.event == .read, let text = socket.receiveText() { socket.sendText(text) }
            if message.event == .close { pump.postQuit() }
        }
        #expect(events == [.read, .close])
        #expect(peer.drain() == 4)
    }

    @Test func `a quit lets queued messages be taken first`() {
        guard let loop = try? EventLoop() else { return }
        let pump = MessagePump(loop)
        pump.queue.post(.application(ApplicationMessage(code: 1)))
        pump.poster.post(ApplicationMessage(code: 2))
        pump.postQuit()
        #expect(pump.next() == .application(ApplicationMessage(code: 1)))
        #expect(pump.next() == .application(ApplicationMessage(code: 2)))
        #expect(pump.next() == nil)
        #expect(pump.next() == nil)
    }

    @Test func `messages of other threads all arrive, those of one thread in order`() throws {
        let pump = MessagePump(try EventLoop())
        let poster = pump.poster
        let threads = try (0..<4).map { index in
            try Thread(name: "poster \(index)") {
                for number in 0..<1000 {
                    poster.post(ApplicationMessage(code: UInt32(index), parameter: UInt64(number)))
                }
            }
        }
        var next = [UInt64](repeating: 0, count: 4)
        for _ in 0..<4000 {
            guard case .application(let message)? = pump.next() else { break }
            #expect(message.parameter == next[Int(message.code)])
            next[Int(message.code)] += 1
        }
        for thread in threads { thread.join() }
        #expect(next == [1000, 1000, 1000, 1000])
        poster.postQuit()
        #expect(pump.next() == nil)
    }

    @Test func `PF-9: a map finds nothing for a stale handle`() {
        var map = SocketMap<String>()
        let old = SlotAddress(index: 3, generation: 7)
        let new = SlotAddress(index: 3, generation: 8)
        map[old] = "old"
        #expect(map[old] == "old")
        #expect(map[new] == nil)
        map[new] = "new"
        #expect(map[old] == nil)
        map[old] = nil
        #expect(map[new] == "new")
        #expect(map.values == ["new"])
        map[new] = nil
        #expect(map.values.isEmpty)
    }
}
