import EchoProactor
import EchoSockets
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ReceiveTests {
    @Test func `OV-4: a receive completes with what is there, under the socket's key`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port, key: 42)
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
        let (handle, peer) = try associatedPair(with: port)
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
        let (handle, peer) = try associatedPair(with: port)
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
        let (handle, peer) = try associatedPair(with: port)
        peer.send("aaabbcccc")
        #expect(port.receive(on: handle, atMost: 3) == .pending)
        #expect(worker.next()?.text == "aaa")
        let operation = Operation()
        operation.receiveLimit = 2
        #expect(port.receive(operation, on: handle) == .pending)
        #expect(worker.next()?.byteCount == 2)
        #expect(operation.text == "bb")
        #expect(port.receive(on: handle) == .pending)
        #expect(worker.next()?.text == "cccc")
    }

    @Test func `OV-7: buffers are filled in the order of posting`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
        let operations = (0..<4).map { _ in Operation(capacity: 4) }
        for operation in operations {
            #expect(port.receive(operation, on: handle) == .pending)
        }
        peer.send("aaaabbbbccccdd")
        #expect(worker.rest().map(\.byteCount) == [4, 4, 4, 2])
        #expect(operations.map(\.text) == ["aaaa", "bbbb", "cccc", "dd"])
    }

    @Test func `OV-7: a receive that could complete at once waits behind one that could not`()
        throws
    {
        let port = try CompletionPort(receiveBufferSize: 4)
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
        peer.send("aaaabbbb")
        #expect(worker.rest().isEmpty, "the edge is known")
        let first = Operation()
        let second = Operation(capacity: 4)
        #expect(port.receive(first, on: handle) == .pending)
        #expect(port.receive(second, on: handle) == .pending)
        #expect(worker.rest().count == 2)
        #expect(first.text == "aaaa" && second.text == "bbbb")
    }

    @Test func `OV-6: an operation under way is refused, and not disturbed`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
        let operation = Operation(capacity: 8)
        #expect(port.receive(operation, on: handle) == .pending)
        #expect(port.receive(operation, on: handle) == .refused(Errno(rawValue: EBUSY)))
        #expect(port.send("x", with: operation, on: handle) == .refused(Errno(rawValue: EBUSY)))
        peer.send("once")
        #expect(worker.rest().count == 1)
        #expect(operation.text == "once")
    }

    @Test func `OV-6: a caller's buffer is filled in place`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 8)
        defer { unsafe memory.deallocate() }
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
        let operation = unsafe Operation(borrowing: memory)
        #expect(port.receive(operation, on: handle) == .pending)
        peer.send("own")
        #expect(worker.next()?.byteCount == 3)
        let text = unsafe UnsafeRawBufferPointer(rebasing: memory[..<3]).text
        #expect(text == "own")
    }

    @Test func `an operation without a buffer borrows one until it is posted again`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
        let operation = Operation()
        for text in ["one", "two"] {
            #expect(port.receive(operation, on: handle) == .pending)
            peer.send(text)
            #expect(worker.next()?.byteCount == 3)
            #expect(operation.text == text)
        }
    }

    @Test func `OV-11: a zero-byte receive completes and consumes nothing`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
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
        let handle = try port.associate(watching: wakeup.number, key: 5)
        let operation = Operation()
        for _ in 0..<2 {
            #expect(port.waitReadable(operation, on: handle) == .pending)
            #expect(worker.rest().isEmpty)
            wakeup.signal()
            #expect(worker.rest().map(\.key) == [5])
            wakeup.clear()
        }
        port.close(handle)
        wakeup.signal()
        wakeup.clear()
    }

    @Test func `OV-13: shutting down does not abort a pending receive`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
        port.receive(on: handle)
        port.shutdown(.sending, on: handle)
        #expect(worker.rest().isEmpty)
        peer.send("late")
        #expect(worker.next()?.text == "late")
    }

    @Test func `OV-14: too many outstanding operations are refused`() throws {
        let port = try CompletionPort()
        let (handle, peer) = try associatedPair(with: port)
        var submissions: [Submission] = []
        for _ in 0...SocketProactor.pendingLimit {
            submissions.append(port.receive(Operation(capacity: 1), on: handle))
        }
        #expect(submissions.dropLast().allSatisfy { $0 == .pending })
        #expect(submissions.last == .refused(Errno(rawValue: ENOBUFS)))
        peer.close()
    }

    @Test func `a kept buffer outlives its turn`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
        port.receive(on: handle)
        peer.send("first")
        guard case .success(let packet) = worker.dequeue(timeout: patience) else {
            Issue.record("no packet")
            return
        }
        guard let kept = worker.keep(packet) else {
            Issue.record("not kept")
            return
        }
        if worker.keep(packet) != nil { Issue.record("given twice") }
        port.receive(on: handle)
        peer.send("second")
        #expect(worker.next()?.text == "second")
        let text = unsafe kept.bytes.text
        #expect(text == "first")
    }
}
