import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

/// What holds for operations, however their completion is indicated.
@Suite(.timeLimit(.minutes(5)))
struct OperationTests {
    private let loop: OverlappedLoop

    init() throws {
        loop = try OverlappedLoop()
    }

    private func posted(_ count: Int, on handle: SocketHandle, capacity: Int = 4) -> [Operation] {
        let operations = (0..<count).map { _ in Operation(capacity: capacity) }
        for operation in operations { #expect(loop.receive(operation, on: handle) == .pending) }
        return operations
    }

    @Test func `OV-1: pending completes once, immediate success is there, refusal is never`() throws
    {
        let (handle, peer) = try adoptedPair(by: loop)
        var ran = 0
        let operation = Operation(capacity: 4)
        operation.routine = { _, _, _ in ran += 1 }
        #expect(loop.receive(operation, on: handle) == .pending)
        peer.send("12345678")
        while loop.sleep(for: .zero, alertable: true) == .routinesRan {}
        #expect(ran == 1)
        #expect(loop.receive(operation, on: handle) == .completed(bytes: 4))
        #expect(operation.result == .success(bytes: 4))
        while loop.sleep(for: .zero, alertable: true) == .routinesRan {}
        #expect(ran == 2)
        loop.close(handle)
        #expect(loop.receive(operation, on: handle) == .refused(Errno(rawValue: ENOTSOCK)))
        while loop.sleep(for: .zero, alertable: true) == .routinesRan {}
        #expect(ran == 2)
    }

    @Test func `OV-7: buffers are filled in the order of posting`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let operations = posted(4, on: handle)
        peer.send("aaaabbbbccccdd")
        loop.settle()
        #expect(operations.map(\.text) == ["aaaa", "bbbb", "cccc", "dd"])
    }

    @Test func `OV-7: a receive that could complete at once waits behind one that could not`()
        throws
    {
        let loop = try OverlappedLoop(receiveBufferSize: 4)
        let (handle, peer) = try adoptedPair(by: loop)
        peer.send("aaaabbbb")
        loop.settle()
        let first = Operation()
        let second = Operation(capacity: 4)
        #expect(loop.receive(first, on: handle) == .pending)
        #expect(loop.receive(second, on: handle) == .pending)
        loop.settle()
        #expect(first.text == "aaaa" && second.text == "bbbb")
    }

    @Test func `OV-6: an operation under way is refused, and not disturbed`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let busy = Submission.refused(Errno(rawValue: EBUSY))
        let operation = posted(1, on: handle, capacity: 8)[0]
        #expect(loop.receive(operation, on: handle) == busy)
        #expect(loop.send("x", with: operation, on: handle) == busy)
        peer.send("once")
        #expect(loop.end(of: operation) == .success(bytes: 4))
        #expect(operation.text == "once")
    }

    @Test func `an operation without a buffer borrows one until it is posted again`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let operation = Operation()
        for text in ["one", "two"] {
            #expect(loop.receive(operation, on: handle) == .pending)
            peer.send(text)
            #expect(loop.end(of: operation) == .success(bytes: 3))
            #expect(operation.text == text)
        }
        loop.returnBuffer(of: operation)
        #expect(operation.text.isEmpty)
    }

    @Test func `an operation that borrows takes no more than its limit`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let operation = Operation()
        operation.receiveLimit = 2
        peer.send("aabbb")
        for text in ["aa", "bb", "b"] {
            #expect(loop.receive(operation, on: handle) == .pending)
            #expect(loop.end(of: operation) == .success(bytes: text.utf8.count))
            #expect(operation.text == text)
        }
    }

    @Test
    func `OV-5: a send that does not fit completes once, with all bytes, from where they lie`()
        throws
    {
        let (handle, peer) = try adoptedPair(by: loop)
        let sent = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let operation = Operation()
        var received: [UInt8] = []
        unsafe sent.withUnsafeBytes { bytes in
            #expect(unsafe loop.send(bytes, with: operation, on: handle) == .pending)
            #expect((1..<sent.count).contains(operation.sentCount))
            while received.count < sent.count {
                received += peer.receive()
                loop.settle()
            }
        }
        #expect(received == sent)
        #expect(operation.result == .success(bytes: sent.count))
    }

    @Test func `OV-6: a send goes on from where its caller has put the rest`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let kept = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_000_000, alignment: 16)
        defer { unsafe kept.deallocate() }
        let operation = Operation()
        var sent = [UInt8](repeating: 7, count: 4_000_000)
        let submission = unsafe sent.withUnsafeBytes { bytes in
            unsafe loop.send(bytes, with: operation, on: handle) { rest in
                unsafe kept.copyMemory(from: rest)
                return unsafe UnsafeRawBufferPointer(rebasing: kept[..<rest.count])
            }
        }
        #expect(submission == .pending)
        sent = []
        var received: [UInt8] = []
        while received.count < 4_000_000 {
            received += peer.receive()
            loop.settle()
        }
        #expect(received.allSatisfy { $0 == 7 })
    }

    @Test(arguments: [1, 3, 50])
    func `OV-8: closing aborts each pending operation exactly once`(_ count: Int) throws {
        let (handle, peer) = try adoptedPair(by: loop)
        var ran = 0
        let operations = posted(count, on: handle)
        for operation in operations { operation.routine = { _, _, _ in ran += 1 } }
        loop.close(handle)
        peer.send("too late")
        while loop.sleep(for: .zero, alertable: true) == .routinesRan {}
        #expect(ran == count)
        #expect(operations.allSatisfy { $0.result == .failure(cancelled) })
    }

    @Test func `OV-14: too many outstanding operations are refused`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        _ = posted(OverlappedLoop.pendingLimit, on: handle, capacity: 1)
        let one = Operation(capacity: 1)
        #expect(loop.receive(one, on: handle) == .refused(Errno(rawValue: ENOBUFS)))
        peer.close()
    }

    @Test func `after a reset every pending receive fails with it, and every later one`() throws {
        let (handle, peer) = try adoptedConnection(by: loop)
        let reset = Errno(rawValue: ECONNRESET)
        let operations = posted(3, on: handle)
        peer.reset()
        for operation in operations { #expect(loop.end(of: operation) == .failure(reset)) }
        let later = Operation()
        #expect(loop.receive(later, on: handle) == .pending)
        #expect(loop.end(of: later) == .failure(reset))
        #expect(loop.send("x", with: later, on: handle) == .refused(reset))
    }

    @Test func `CO-7: a send that fails does not lose what came before the reset`() throws {
        let (handle, peer) = try adoptedConnection(by: loop)
        peer.send("before")
        peer.reset()
        let sending = Operation()
        let hasFailed = eventuallyBlocking {
            if case .refused = loop.send("x", with: sending, on: handle) { true } else { false }
        }
        #expect(hasFailed)
        let receive = posted(1, on: handle, capacity: 16)[0]
        #expect(loop.end(of: receive) == .success(bytes: 6))
        let reset = Errno(rawValue: ECONNRESET)
        let outcome = loop.receive(receive, on: handle)
        #expect(outcome == .refused(reset) || loop.end(of: receive) == .failure(reset))
    }

    @Test func `OV-13: a receive that is pending when receiving is shut down gets later bytes`()
        throws
    {
        let (handle, peer) = try adoptedConnection(by: loop)
        let operation = posted(1, on: handle)[0]
        loop.shutdown(.receiving, on: handle)
        loop.settle()
        #expect(operation.isPending)
        let later = Operation()
        #expect(loop.receive(later, on: handle) == .refused(Errno(rawValue: ESHUTDOWN)))
        peer.send("late")
        #expect(loop.end(of: operation) == .success(bytes: 4))
    }

    @Test func `PR-5: receives that complete at once are 16 a turn`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let operation = posted(1, on: handle, capacity: 1)[0]
        peer.send(String(repeating: "x", count: 100))
        #expect(loop.end(of: operation) == .success(bytes: 1))
        var atOnce = 0
        while loop.receive(operation, on: handle) == .completed(bytes: 1) { atOnce += 1 }
        #expect(atOnce == 15)
        #expect(
            loop.end(of: operation) == .success(bytes: 1),
            "the next turn brings the one that waits"
        )
    }

    @Test func `an owner is found by its very class`() {
        let operation = Operation()
        #expect(operation.withOwner(Tag.self) { $0.number } == nil)
        operation.owner = Tag(3)
        #expect(operation.withOwner(Tag.self) { $0.number } == 3)
        #expect(operation.withOwner(Log.self) { _ in true } == nil)
    }
}

private final class Log {}
