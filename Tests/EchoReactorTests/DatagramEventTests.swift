import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

/// Events of datagram sockets.
@Suite(.timeLimit(.minutes(5)))
struct DatagramEventTests {
    @Test func `AS-4, AS-5: one message until it is received, another while more is queued`() throws
    {
        let loop = try EventLoop()
        let queue = MessageQueue()
        let bound = try DatagramSocket(.loopback(port: 0))
        let address = bound.address
        let batch = DatagramBatch(for: bound)
        let handle = SocketHandle(slot: 3, generation: 4)
        let socket = try NetworkDatagramSocket(loop, adopting: bound, as: handle)
        try socket.select(.read, postingTo: queue)
        let client = try DatagramClient()
        let count = DatagramBatch.capacity + 1
        for _ in 0..<count { try client.send([1], to: address) }
        loop.turn(waitingAtMost: patience)
        for _ in 0..<3 { loop.turn(waitingAtMost: .zero) }
        #expect(queue.count == 1)
        let message = try #require(queue.pop())
        #expect(message.socket == handle && message.event == .read)
        // The first by itself, and the others together.
        #expect(socket.receive(into: batch) == 1)
        loop.turn(waitingAtMost: patience)
        #expect(queue.count == 1)
        #expect(socket.receive(into: batch) == DatagramBatch.capacity)
        _ = queue.pop()
        loop.turn(waitingAtMost: .zero)
        #expect(queue.isEmpty)
        // What is found empty enables the event as well (CO-5).
        #expect(socket.receive(into: batch) == -Int(EAGAIN))
        try client.send([1], to: address)
        loop.turn(waitingAtMost: patience)
        #expect(queue.count == 1)
        socket.close()
        #expect(socket.receive(into: batch) == -Int(ENOTSOCK))
        #expect(socket.number == -1)
    }

    @Test func `an event object is signalled, and the record has the event`() throws {
        let loop = try EventLoop()
        let events = EventSet()
        let event = try #require(events.makeEvent())
        let bound = try DatagramSocket(.loopback(port: 0))
        let address = bound.address
        let socket = try NetworkDatagramSocket(loop, adopting: bound)
        try socket.select(.read, signalling: event)
        let client = try DatagramClient()
        try client.send([1], to: address)
        #expect(loop.wait(for: events, timeout: patience) == .signalled(0))
        #expect(try socket.enumerateNetworkEvents(resetting: event).events == .read)
        #expect(event.isSignalled == false)
    }

    @Test func `a datagram socket is a member of a set, until it is removed`() throws {
        let loop = try EventLoop(method: .select)
        let set = SelectSet(loop)
        let socket = try DatagramSocket(.loopback(port: 0))
        let handle = SocketHandle(slot: 5, generation: 6)
        try set.insert(datagramsFrom: socket.number, as: handle)
        #expect(try loop.select(set, timeout: .zero) == 0)
        let client = try DatagramClient()
        try client.send([1], to: socket.address)
        #expect(try loop.select(set, timeout: patience) == 1)
        let ready = try #require(set.nextReady())
        #expect(ready.handle == handle && ready.isReadable)
        set.remove(datagramsFrom: socket.number)
        #expect(try loop.select(set, timeout: .zero) == 0)
    }
}
