import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct CloseTests {
    @Test func `OV-8: a receive without an object is aborted as well`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (handle, peer) = try adoptedPair(by: port, key: 9)
        port.receive(on: handle)
        port.close(handle)
        #expect(worker.rest().map(\.error) == [cancelled])
        peer.close()
    }

    @Test func `CO-1: a closed handle names nothing, whatever is opened later`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let stale = Errno(rawValue: ENOTSOCK)
        let (old, oldPeer) = try adoptedPair(by: port, key: 1)
        #expect(port.close(old))
        #expect(!port.close(old))
        let (new, newPeer) = try adoptedPair(by: port, key: 2)
        #expect(old != new && !port.isOpen(old) && port.isOpen(new))
        #expect(port.receive(on: old) == .refused(stale))
        #expect(port.send("x", on: old) == .refused(stale))
        #expect(port.accept(on: old) == .refused(stale))
        #expect(!port.cancelAll(on: old))
        port.receive(on: new)
        newPeer.send("new")
        #expect(worker.rest().map(\.key) == [2])
        oldPeer.close()
    }

    @Test func `PF-9: a turn that is queued when its socket closes does not reach the next one`()
        throws
    {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let (first, firstPeer) = try adoptedPair(by: port, key: 1)
        let (second, secondPeer) = try adoptedPair(by: port, key: 2)
        port.receive(on: first)
        port.receive(on: second)
        firstPeer.send("a")
        secondPeer.send("b")
        // One wait brings both edges; the handler of the one closes the other.
        let packet = try #require(worker.next())
        port.close(packet.key == 1 ? second : first)
        let (third, thirdPeer) = try adoptedPair(by: port, key: 3)
        port.receive(on: third)
        let rest = worker.rest()
        #expect(rest.map(\.error) == [cancelled])
        #expect(rest.first?.key != 3)
        thirdPeer.close()
    }

    @Test func `races between posting, data, cancelling and closing lose and double nothing`()
        async throws
    {
        let port = try CompletionPort(concurrency: 2)
        let rounds = 400
        let results = try await onThreads(3) { number -> [Int] in
            switch number {
            case 0, 1: tally(port)
            default: disturb(port, rounds: rounds)
            }
        }
        let posted = results[2][0]
        let seen = results[0][0] + results[1][0]
        #expect(seen == posted)
        #expect(port.owners.isEmpty)
    }
}

private func tally(_ port: CompletionPort) -> [Int] {
    let worker = CompletionPort.Worker(of: port)
    var count = 0
    while true {
        switch worker.dequeue() {
        case .success(let packet):
            if packet.kind == .posted { return [count] }
            count += 1
        case .failure: count += 1
        case .timedOut: continue
        case .abandoned: return [-1]
        }
    }
}

private func disturb(_ port: CompletionPort, rounds: Int) -> [Int] {
    var posted = 0
    for round in 0..<rounds {
        guard let (handle, peer) = try? adoptedPair(by: port, key: UInt64(round)) else {
            return [-1]
        }
        if port.receive(on: handle, atMost: 4) == .pending { posted += 1 }
        let sender = try? Thread(name: "test-peer") {
            peer.send("12345678")
            if round % 2 == 0 { peer.close() }
        }
        if round % 3 == 0 { port.cancelAll(on: handle) }
        port.close(handle)
        sender?.join()
    }
    port.post(key: 0)
    port.post(key: 0)
    return [posted]
}
