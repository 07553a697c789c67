import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

/// When a short receive means that nothing more is there, and when it does not (PR-3, PF-5).
@Suite(.timeLimit(.minutes(5)))
struct DrainedTests {
    @Test func `PR-3: data and FIN in one edge give the data, then the end`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedConnection(by: port)
        peer.send("last words")
        peer.shutdown()
        let isThere = port.withSocket(handle) { socket in
            eventuallyBlocking { socket.poll(pollPeerClosed) }
        }
        #expect(isThere == true)
        port.receive(on: handle)
        #expect(worker.next()?.text == "last words")
        port.receive(on: handle)
        #expect(worker.next()?.byteCount == 0)
    }

    @Test func `PR-3: an urgent mark hides what lies behind it from one receive, not from two`()
        throws
    {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedConnection(by: port)
        port.withSocket(handle) { try? $0.setUrgentInline() }
        peer.send("ab")
        peer.send("!", flags: CInt(MSG_OOB))
        peer.send("cd")
        let isThere = port.withSocket(handle) { socket in
            eventuallyBlocking { socket.unreadByteCount >= 2 && socket.poll(POLLPRI) }
        }
        #expect(isThere == true)
        var text = ""
        while text.utf8.count < 5 {
            port.receive(on: handle)
            guard let packet = worker.next() else { break }
            text += packet.text
        }
        #expect(text == "ab!cd")
    }

    @Test func `PR-3: after urgent data is dealt with, short receives are trusted again`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedConnection(by: port)
        port.withSocket(handle) { try? $0.setUrgentInline() }
        peer.send("!", flags: CInt(MSG_OOB))
        port.receive(on: handle)
        #expect(worker.next()?.text == "!")
        for text in ["x", "y", "z"] {
            port.receive(on: handle)
            peer.send(text)
            #expect(worker.next()?.text == text)
        }
    }

    @Test func `PR-3: a full buffer says nothing about the rest`() throws {
        let port = try CompletionPort(receiveBufferSize: 4)
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port)
        peer.send("12345678")
        for text in ["1234", "5678"] {
            port.receive(on: handle)
            #expect(worker.next()?.text == text)
        }
        port.receive(on: handle)
        #expect(worker.rest().isEmpty)
        peer.send("9")
        #expect(worker.next()?.text == "9")
    }

    @Test func `PR-4: data that comes while nothing is posted is not forgotten`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port)
        peer.send("early")
        #expect(worker.rest().isEmpty)
        port.receive(on: handle)
        #expect(worker.next()?.text == "early")
    }

    @Test func `a reset is an error, and the bytes before it are not lost to it`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedConnection(by: port)
        port.receive(on: handle)
        peer.reset()
        #expect(worker.next()?.error?.rawValue == ECONNRESET)
    }

    @Test func `PR-5: a busy socket has at most 16 receives before another has its turn`() throws {
        let port = try CompletionPort(receiveBufferSize: 1024)
        let worker = CompletionPort.Worker(of: port)
        let (busy, busyPeer) = try adoptedPair(by: port, key: 1)
        let (quiet, quietPeer) = try adoptedPair(by: port, key: 2)
        for _ in 0..<100 { busyPeer.send(String(repeating: "x", count: 1024)) }
        port.receive(on: busy)
        port.receive(on: quiet)
        var before = 0
        while let packet = worker.next() {
            if packet.key == 2 { break }
            before += 1
            if before == 1 { quietPeer.send("me too") }
            port.receive(on: busy)
        }
        #expect(
            before <= 32,
            "epoll is asked again after the turn of each that had something to do"
        )
    }

    // Each edge of a socket whose turn was queued used to give it one more turn for ever.
    @Test func `PR-5: a stream that never ends delays others no longer the longer it lasts`() throws
    {
        let port = try CompletionPort(receiveBufferSize: 1024)
        let worker = CompletionPort.Worker(of: port)
        let (busy, busyPeer) = try adoptedPair(by: port, key: 1)
        let (quiet, quietPeer) = try adoptedPair(by: port, key: 2)
        let message = String(repeating: "x", count: 1024)
        for _ in 0..<50 { busyPeer.send(message) }
        port.receive(on: busy)
        port.receive(on: quiet)
        var (before, isAsked) = (0, false)
        for round in 0..<5000 {
            let packet = try #require(worker.next())
            if packet.key == 2 { break }
            busyPeer.send(message)
            port.receive(on: busy)
            if round == 4000 {
                quietPeer.send("me too")
                isAsked = true
            }
            if isAsked { before += 1 }
        }
        #expect(before <= 48, "\(before) receives of the stream came first")
    }

    @Test func `PR-5: who becomes ready waits for few long turns`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let busy = try (1...8).map { try adoptedPair(by: port, key: $0) }
        let (quiet, quietPeer) = try adoptedPair(by: port, key: 9)
        for (handle, peer) in busy {
            for _ in 0..<5 { peer.send(String(repeating: "x", count: 32 * 1024)) }
            port.receive(on: handle)
        }
        port.receive(on: quiet)
        var keys: [UInt64] = []
        while let packet = worker.next() {
            keys.append(packet.key)
            if packet.key == 9 { break }
            port.receive(on: busy[Int(packet.key) - 1].handle)
            if keys.count == 8 { quietPeer.send("me too") }
        }
        #expect(keys.last == 9)
        #expect(keys.count <= 8 + 3, "\(keys)")
        #expect(Set(keys.prefix(8)).count == 8, "\(keys)")
    }
}

let pollPeerClosed: Int32 = 0x2000
