import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ReceiveTests {
    @Test func `OV-4: a receive completes with what is there, under the socket's key`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port, key: 42)
        #expect(port.receive(on: handle) == .pending)
        #expect(worker.next(within: .zero) == nil)
        peer.send("hello")
        let packet = try #require(worker.next())
        #expect(packet.key == 42 && packet.kind == .receive && packet.error == nil)
        #expect(packet.text == "hello")
    }

    @Test func `OV-4: no bytes and success is the end of the stream, again and again`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port)
        peer.shutdown()
        for _ in 0..<2 {
            port.receive(on: handle)
            guard case .success(let packet) = worker.dequeue(timeout: patience) else {
                Issue.record("no packet")
                return
            }
            #expect(packet.isEndOfStream)
        }
    }

    @Test func `a receive is pending from posting until it is complete, taken or not`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port)
        #expect(!port.hasPendingReceive(on: handle))
        for post in [{ port.receive(on: handle) }, { port.waitReadable(on: handle) }] {
            #expect(post() == .pending)
            #expect(port.hasPendingReceive(on: handle))
            #expect(worker.next(within: .zero) == nil)
            #expect(port.hasPendingReceive(on: handle))
            peer.send("a")
            _ = try #require(worker.next())
            #expect(!port.hasPendingReceive(on: handle))
        }
        port.close(handle)
        #expect(!port.hasPendingReceive(on: handle))
    }

    @Test func `a receive takes no more than its limit, the next one the rest`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port)
        peer.send("aaabbcccc")
        #expect(port.receive(on: handle, atMost: 3) == .pending)
        #expect(worker.next()?.text == "aaa")
        #expect(port.receive(on: handle, atMost: 2) == .pending)
        #expect(worker.next()?.text == "bb")
        #expect(port.receive(on: handle) == .pending)
        #expect(worker.next()?.text == "cccc")
    }

    @Test func `OV-11: a zero-byte receive completes and consumes nothing`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port)
        #expect(port.waitReadable(on: handle) == .pending)
        #expect(worker.rest().isEmpty)
        peer.send("data")
        #expect(worker.rest().map(\.kind) == [.readable])
        port.waitReadable(on: handle)
        #expect(worker.rest().map(\.kind) == [.readable], "still there")
        port.receive(on: handle)
        #expect(worker.rest().map(\.text) == ["data"])
        port.waitReadable(on: handle)
        #expect(worker.rest().isEmpty, "nothing is there any more")
        peer.close()
        #expect(worker.rest().map(\.kind) == [.readable], "so does the end")
    }

    @Test func `OV-11: any descriptor can be waited for, without taking it over`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let wakeup = try Wakeup()
        let handle = try port.adopt(watching: wakeup.number, owner: Tag(5))
        for _ in 0..<2 {
            #expect(port.waitReadable(on: handle) == .pending)
            #expect(worker.rest().isEmpty)
            wakeup.signal()
            #expect(worker.rest().map(\.key) == [5])
            wakeup.clear()
        }
        port.close(handle)
        wakeup.signal()
        wakeup.clear()
    }

    @Test func `OV-13: shutting down does not abort a pending receive, and refuses new ones`()
        throws
    {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedConnection(by: port)
        port.receive(on: handle)
        port.shutdown(.both, on: handle)
        #expect(worker.rest().isEmpty)
        peer.send("late")
        #expect(worker.next()?.text == "late")
        #expect(port.receive(on: handle) == .refused(Errno(rawValue: ESHUTDOWN)))
        #expect(worker.rest().isEmpty)
    }

    @Test func `after a reset each receive fails with it, and so does a send`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedConnection(by: port)
        peer.reset()
        for _ in 0..<3 {
            #expect(port.receive(on: handle) == .pending)
            #expect(worker.next()?.error?.rawValue == ECONNRESET)
        }
        #expect(port.send("x", on: handle) == .refused(Errno(rawValue: ECONNRESET)))
    }
}
