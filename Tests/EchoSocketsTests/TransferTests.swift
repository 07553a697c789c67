import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct TransferTests {
    @Test func `bytes, nothing and the end are told apart`() throws {
        let pair = try ConnectedPair()
        #expect(pair.server.receiveBytes().outcome == .wouldBlock)
        #expect(pair.client.send(text: "a\0b") == .bytes(3))
        #expect(isReadable(pair.server.number))
        #expect(pair.server.unreadByteCount == 3)
        let (outcome, bytes) = pair.server.receiveBytes()
        #expect(outcome == .bytes(3))
        #expect(bytes == [0x61, 0, 0x62])
        pair.client.shutdown(.sending)
        #expect(isReadable(pair.server.number))
        #expect(pair.server.receiveBytes().outcome == .endOfStream)
        #expect(pair.server.receiveBytes().outcome == .endOfStream)
    }

    @Test func `CO-4: the other direction stays open after a half-close`() throws {
        let pair = try ConnectedPair()
        pair.client.shutdown(.sending)
        #expect(isReadable(pair.server.number))
        #expect(pair.server.receiveBytes().outcome == .endOfStream)
        #expect(pair.server.send(text: "owed") == .bytes(4))
        #expect(pair.client.receiveAll(4) == Array("owed".utf8))
        #expect(pair.client.send(text: "x") == .failed(Errno(rawValue: EPIPE)))
    }

    @Test func `CO-8: a send takes what fits and then nothing`() throws {
        let pair = try Socket.pair()
        let bytes = [UInt8](repeating: 1, count: 1 << 20)
        var total = 0
        while case .bytes(let count) = pair.first.sendBytes(bytes) { total += count }
        #expect(pair.first.sendBytes(bytes) == .wouldBlock)
        #expect(total > 0)
        #expect(pair.second.receiveAll(total).count == total)
        #expect(pair.first.poll(POLLOUT) == true)
    }

    @Test func `E-z: asking for nothing consumes nothing`() throws {
        let pair = try ConnectedPair()
        #expect(pair.server.receiveBytes(atMost: 0).outcome == .wouldBlock)
        pair.client.send(text: "abc")
        #expect(isReadable(pair.server.number))
        #expect(pair.server.receiveBytes(atMost: 0).outcome == .bytes(0))
        #expect(pair.server.unreadByteCount == 3)
        #expect(pair.client.sendBytes([]) == .bytes(0))
        #expect(pair.server.receiveAll(3).count == 3)
        pair.client.shutdown(.sending)
        #expect(isReadable(pair.server.number))
        #expect(pair.server.receiveBytes(atMost: 0).outcome == .bytes(0))
    }

    @Test func `SEL-11: a reset is an error at the peer, and no end`() throws {
        let listener = try Listener(.loopback(port: 0))
        let client = try connectedSocket(to: listener.address)
        do {
            let server = try acceptedSocket(from: listener)
            server.setResetOnClose()
        }
        #expect(isReadable(client.number))
        #expect(client.receiveBytes().outcome == .failed(Errno(rawValue: ECONNRESET)))
        #expect(client.send(text: "x") == .failed(Errno(rawValue: EPIPE)))
    }

    @Test func `CO-3, PF-21: closing with unread bytes resets, without them it does not`() throws {
        let listener = try Listener(.loopback(port: 0))
        for unread in [false, true] {
            let client = try connectedSocket(to: listener.address)
            do {
                let server = try acceptedSocket(from: listener)
                client.send(text: "x")
                #expect(isReadable(server.number))
                if !unread { #expect(server.receiveBytes().outcome == .bytes(1)) }
            }
            #expect(isReadable(client.number))
            let outcome = client.receiveBytes().outcome
            #expect(outcome == (unread ? .failed(Errno(rawValue: ECONNRESET)) : .endOfStream))
        }
    }

    @Test func `CO-7: bytes that came before a reset are still received`() throws {
        let listener = try Listener(.loopback(port: 0))
        let client = try connectedSocket(to: listener.address)
        do {
            let server = try acceptedSocket(from: listener)
            server.send(text: "last words")
            #expect(isReadable(client.number))
            server.setResetOnClose()
        }
        #expect(eventuallyBlocking { client.poll(POLLHUP) })
        #expect(client.receiveBytes().bytes == Array("last words".utf8))
        #expect(client.receiveBytes().outcome == .failed(Errno(rawValue: ECONNRESET)))
    }

    @Test func `a connection that nobody wants is an error that is taken once`() throws {
        let address = try Listener(.loopback(port: 0)).address
        let socket = try Socket(family: AF_INET)
        let isConnected = try? socket.connect(to: address)
        #expect(isConnected != true)
        if isConnected == false {
            #expect(isWritable(socket.number))
            #expect(socket.takeError()?.rawValue == ECONNREFUSED)
        }
        #expect(socket.takeError() == nil)
    }

    @Test func `a socket that is none is an error, not a crash`() {
        let bogus = Socket(Descriptor(adopting: 1_000_000))
        #expect(bogus.receiveBytes().outcome == .failed(Errno(rawValue: EBADF)))
        #expect(bogus.send(text: "x") == .failed(Errno(rawValue: EBADF)))
        bogus.shutdown(.both)
        bogus.setResetOnClose()
        #expect(bogus.unreadByteCount == 0)
        #expect(bogus.isAtUrgentMark == false)
        #expect(bogus.localAddress == nil)
        #expect(bogus.family == nil)
    }
}
