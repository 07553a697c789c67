import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct PortTests {
    @Test func `CP-7: with skip-on-success, what is done at once gives no packet`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port, options: .skipsPacketOnSuccess)
        #expect(port.receive(on: handle) == .pending)
        peer.send("1234")
        #expect(worker.rest().count == 1, "what was pending is indicated all the same")
        #expect(port.send("x", on: handle) == .completed(bytes: 1))
        #expect(worker.rest().isEmpty)
    }

    @Test func `CP-7: without it, a send that is done at once gives a packet`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port, key: 3)
        #expect(port.send("xyz", on: handle) == .completed(bytes: 3))
        let packets = worker.rest()
        #expect(packets.map(\.byteCount) == [3])
        #expect(packets.map(\.kind) == [.send])
        peer.close()
    }

    @Test func `CP-4: success, failed operation, timeout and closed port are told apart`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedConnection(by: port, key: 4)
        port.receive(on: handle)
        guard case .timedOut = worker.dequeue(timeout: .zero) else {
            Issue.record("expected a timeout")
            return
        }
        peer.send("x")
        guard case .success = worker.dequeue(timeout: patience) else {
            Issue.record("expected success")
            return
        }
        port.receive(on: handle)
        peer.reset()
        guard case .failure(let packet) = worker.dequeue(timeout: patience) else {
            Issue.record("expected a failure")
            return
        }
        #expect(Seen(packet).key == 4 && packet.error?.rawValue == ECONNRESET)
        port.close()
        guard case .abandoned = worker.dequeue() else {
            Issue.record("expected to be abandoned")
            return
        }
    }

    @Test func `CP-4: a timeout is kept to, not cut short`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let start = MonotonicTime.now
        guard case .timedOut = worker.dequeue(timeout: .milliseconds(20)) else {
            Issue.record("expected a timeout")
            return
        }
        #expect(MonotonicTime.now - start >= .milliseconds(20))
    }

    @Test func `CP-6: posted packets are delivered verbatim, first in first out`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        for number in 0..<200 { port.post(key: UInt64(number), byteCount: -number) }
        for number in 0..<200 {
            guard case .success(let packet) = worker.dequeue(timeout: .zero) else {
                Issue.record("packet \(number) is missing")
                return
            }
            #expect(packet.key == number && packet.byteCount == -number)
            #expect(packet.kind == .posted && packet.error == nil)
        }
        #expect(worker.rest().isEmpty)
    }

    @Test func `CP-5: packets that are due at once each have a status of their own`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (first, firstPeer) = try adoptedPair(by: port, key: 1)
        let (second, secondPeer) = try adoptedConnection(by: port, key: 2)
        let (third, thirdPeer) = try adoptedPair(by: port, key: 3)
        for handle in [first, second, third] { port.receive(on: handle) }
        firstPeer.send("one")
        secondPeer.reset()
        port.close(third)
        port.post(key: 4)
        let packets = (0..<4).compactMap { _ in worker.next() }
        let seen = Dictionary(uniqueKeysWithValues: packets.map { ($0.key, $0) })
        #expect(seen[1]?.text == "one" && seen[1]?.error == nil)
        #expect(seen[2]?.error?.rawValue == ECONNRESET && seen[2]?.byteCount == 0)
        #expect(seen[3]?.error == cancelled)
        #expect(seen[4]?.kind == .posted && seen[4]?.error == nil)
        #expect(worker.rest().isEmpty)
        thirdPeer.close()
    }

    @Test func `CP-8: the owner lives until the last packet of its socket has been dealt with`()
        throws
    {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        weak var owner: Tag?
        let pair = try Socket.pair()
        let (handle, peer) = try pair.split { first, second in
            let tag = Tag(5)
            owner = tag
            return (try port.adopt(first, owner: tag), Peer(second))
        }
        port.receive(on: handle)
        port.close(handle)
        #expect(owner != nil, "a packet is queued")
        #expect(worker.next()?.key == 5)
        #expect(owner != nil, "a packet is being handled")
        #expect(worker.next(within: .zero) == nil)
        #expect(owner == nil)
        peer.close()
    }

    @Test func `CP-9: a packet still queued does not keep its owner from being freed`() throws {
        weak var owner: Tag?
        do {
            let port = try CompletionPort()
            let pair = try Socket.pair()
            let handle = try pair.split { first, _ in
                let tag = Tag(5)
                owner = tag
                return try port.adopt(first, owner: tag)
            }
            port.receive(on: handle)
            port.close(handle)
            #expect(port.queuedCount == 1)
        }
        #expect(owner == nil)
    }

    @Test func `every descriptor is closed on exec and gone with the port`() async {
        await #expect(processExitsWith: .success) {
            let before = descriptors()
            for _ in 0..<50 {
                let port = try CompletionPort()
                let pair = try adoptedPair(by: port)
                guard port.receive(on: pair.handle) == .pending else { exit(1) }
                for number in CInt(3)..<64 where fcntl(number, F_GETFD) >= 0 {
                    guard before.contains(number) || fcntl(number, F_GETFD) & FD_CLOEXEC != 0 else {
                        exit(2)
                    }
                }
            }
            // The runtime opens a few of its own; a leak would have left 200.
            guard descriptors().count < before.count + 10 else { exit(3) }
        }
    }
}

private func descriptors() -> [CInt] {
    (0..<1024).filter { fcntl($0, F_GETFD) >= 0 }
}
