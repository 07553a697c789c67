import EchoProactor
import EchoSockets
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct PortTests {
    @Test func `OV-1: pending is indicated once, immediate success once, refusal never`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port)
        let operation = Operation(capacity: 4)
        #expect(port.receive(operation, on: handle) == .pending)
        peer.send("12345678")
        #expect(worker.rest().count == 1)
        #expect(port.receive(operation, on: handle) == .completed(bytes: 4))
        #expect(operation.result == .success(bytes: 4))
        #expect(worker.rest().count == 1)
        port.close(handle)
        #expect(port.receive(operation, on: handle) == .refused(Errno(rawValue: ENOTSOCK)))
        #expect(operation.result == .incomplete)
        #expect(worker.rest().isEmpty)
    }

    @Test func `CP-7: with skip-on-success, what is done at once gives no packet`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port, options: .skipsPacketOnSuccess)
        let operation = Operation(capacity: 4)
        #expect(port.receive(operation, on: handle) == .pending)
        peer.send("12345678")
        #expect(worker.rest().count == 1, "what was pending is indicated all the same")
        #expect(port.receive(operation, on: handle) == .completed(bytes: 4))
        #expect(operation.text == "5678")
        #expect(port.send("x", on: handle) == .completed(bytes: 1))
        #expect(worker.rest().isEmpty)
    }

    @Test func `CP-7: without it, a send that is done at once gives a packet`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedPair(with: port, key: 3)
        #expect(port.send("xyz", on: handle) == .completed(bytes: 3))
        let packets = worker.rest()
        #expect(packets.map(\.byteCount) == [3])
        #expect(packets.map(\.kind) == [.send])
        peer.close()
    }

    @Test func `CP-4: success, failed operation, timeout and closed port are told apart`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try associatedConnection(with: port, key: 4)
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
        #expect(packet.key == 4 && packet.error?.rawValue == ECONNRESET)
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
        let operation = Operation()
        for number in 0..<200 {
            port.post(key: UInt64(number), byteCount: -number, operation: operation)
        }
        for number in 0..<200 {
            guard case .success(let packet) = worker.dequeue(timeout: .zero) else {
                Issue.record("packet \(number) is missing")
                return
            }
            #expect(packet.key == number && packet.byteCount == -number)
            #expect(packet.kind == .posted && packet.operation === operation)
        }
        #expect(worker.rest().isEmpty)
    }

    @Test func `CP-5: several packets are dequeued at once, with a status each`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (first, firstPeer) = try associatedPair(with: port, key: 1)
        let (second, secondPeer) = try associatedPair(with: port, key: 2)
        port.receive(on: first)
        port.receive(on: second)
        firstPeer.send("one")
        secondPeer.send("two")
        port.post(key: 3)
        var packets: [Packet] = []
        guard case .success = worker.dequeue(upTo: 8, timeout: patience, into: &packets) else {
            Issue.record("nothing came")
            return
        }
        #expect(Set(packets.map { Seen($0).text }) == ["one", "two", ""])
        #expect(Set(packets.map(\.key)) == [1, 2, 3])
        guard case .timedOut = worker.dequeue(upTo: 8, timeout: .zero, into: &packets) else {
            Issue.record("expected a timeout")
            return
        }
        #expect(packets.isEmpty)
    }

    @Test func `CR-7: a port's sockets have no completion routines`() throws {
        let port = try CompletionPort()
        let (handle, peer) = try associatedPair(with: port)
        let operation = Operation(capacity: 1)
        operation.routine = { _, _, _ in }
        #expect(port.receive(operation, on: handle) == .refused(Errno(rawValue: EINVAL)))
        peer.close()
    }

    @Test func `CP-9: a packet still queued does not keep its operation from being freed`() throws {
        weak var operation: Operation?
        do {
            let port = try CompletionPort()
            let (handle, peer) = try associatedPair(with: port)
            let made = Operation(capacity: 1)
            operation = made
            _ = port.receive(made, on: handle)
            port.close(handle)
            peer.close()
            #expect(port.queuedCount == 1)
        }
        #expect(operation == nil)
    }

    @Test func `every descriptor is closed on exec and gone with the port`() async {
        await #expect(processExitsWith: .success) {
            let before = descriptors()
            for _ in 0..<50 {
                let port = try CompletionPort()
                let pair = try associatedPair(with: port)
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
