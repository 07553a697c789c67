import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EventTests {
    private let loop: OverlappedLoop
    private let events = EventSet()

    init() throws {
        loop = try OverlappedLoop()
    }

    private func makeEvent(isSignalled: Bool = false) throws -> EventObject {
        let event = try #require(events.makeEvent())
        if isSignalled { event.signal() }
        return event
    }

    private func makeOperation(capacity: Int) throws -> Operation {
        let operation = Operation(capacity: capacity)
        operation.event = try makeEvent()
        return operation
    }

    @Test func `OV-2: posting resets the event, completion sets it`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let operation = Operation(capacity: 16)
        let event = try makeEvent(isSignalled: true)
        operation.event = event
        #expect(loop.receive(operation, on: handle) == .pending)
        #expect(!event.isSignalled)
        #expect(loop.wait(for: events, timeout: .zero) == .timedOut)
        peer.send("done")
        #expect(loop.wait(for: events, timeout: patience) == .signalled(0))
        #expect(event.isSignalled, "it stays signalled")
        #expect(operation.result == .success(bytes: 4))
        #expect(operation.text == "done")
    }

    @Test func `OV-1: what completes at once sets the event too; what is refused does not`() throws
    {
        let (handle, peer) = try adoptedPair(by: loop)
        let operation = try makeOperation(capacity: 4)
        #expect(loop.receive(operation, on: handle) == .pending)
        peer.send("12345678")
        #expect(loop.wait(for: events, timeout: patience) == .signalled(0))
        #expect(loop.receive(operation, on: handle) == .completed(bytes: 4))
        #expect(operation.event?.isSignalled == true)
        loop.close(handle)
        operation.event?.reset()
        #expect(loop.receive(operation, on: handle) == .refused(Errno(rawValue: ENOTSOCK)))
        #expect(loop.wait(for: events, timeout: .zero) == .timedOut)
    }

    @Test func `OV-3: the result is incomplete, then success; it needs no event`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let operation = Operation(capacity: 4)
        #expect(loop.receive(operation, on: handle) == .pending)
        #expect(operation.result == .incomplete)
        peer.send("ab")
        #expect(loop.end(of: operation) == .success(bytes: 2))
    }

    @Test func `OV-3: a failed operation's result is its own error, not a count of zero`() throws {
        let (handle, peer) = try adoptedConnection(by: loop)
        let operation = Operation(capacity: 4)
        #expect(loop.receive(operation, on: handle) == .pending)
        peer.reset()
        #expect(loop.end(of: operation) == .failure(Errno(rawValue: ECONNRESET)))
    }

    @Test func `OV-8: closing sets the event of each pending operation`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let operations = try (0..<5).map { _ in try makeOperation(capacity: 4) }
        for operation in operations {
            #expect(loop.receive(operation, on: handle) == .pending)
        }
        loop.close(handle)
        #expect(operations.allSatisfy { $0.event?.isSignalled == true })
        #expect(operations.allSatisfy { $0.result == .failure(cancelled) })
        peer.close()
    }

    @Test func `ES-8: waiting for no event is an error at once`() {
        #expect(loop.wait(for: events, timeout: patience) == .noEvents)
    }

    @Test func `ES-9: the lowest signalled index wins, and starves the rest`() throws {
        let made = try (0..<8).map { _ in try makeEvent() }
        made[6].signal()
        made[2].signal()
        #expect(loop.wait(for: events, timeout: .zero) == .signalled(2))
        #expect(loop.wait(for: events, timeout: .zero) == .signalled(2))
        #expect(events.firstSignalled(from: 3) == 6)
    }

    @Test func `a wait is not cut short`() throws {
        _ = try makeEvent()
        let start = MonotonicTime.now
        #expect(loop.wait(for: events, timeout: .milliseconds(20)) == .timedOut)
        #expect(MonotonicTime.now - start >= .milliseconds(20))
    }

    @Test func `an operation that borrows its buffer echoes from it`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        let operation = Operation()
        operation.event = try makeEvent()
        for round in 0..<3 {
            #expect(loop.receive(operation, on: handle) == .pending)
            peer.send("round \(round)")
            #expect(loop.end(of: operation) == .success(bytes: 7))
            let submission = unsafe loop.send(operation.bytes, with: operation, on: handle)
            #expect(submission == .completed(bytes: 7))
            #expect(peer.receive() == Array("round \(round)".utf8))
        }
    }

    @Test func `PR-5: sockets that are ready together all get their turn`() throws {
        let pairs = try (0..<64).map { try adoptedPair(by: loop, key: UInt64($0)) }
        for pair in pairs {
            let operation = try makeOperation(capacity: 4)
            #expect(loop.receive(operation, on: pair.handle) == .pending)
            pair.peer.send("x")
        }
        var served: Set<Int> = []
        while served.count < 64,
            case .signalled(let index) = loop.wait(for: events, timeout: .zero)
        {
            served.insert(index)
            events.reset(index)
        }
        #expect(served.count == 64)
    }

    @Test func `OV-10: a thread that ends cancels what it has started`() async throws {
        let started = Mutex<[OperationResult]>([])
        _ = try await onThread { () -> Bool in
            let operations = (0..<3).map { _ in Operation(capacity: 4) }
            do {
                guard let loop = try? OverlappedLoop(), let pair = try? adoptedPair(by: loop) else {
                    return false
                }
                for operation in operations { _ = loop.receive(operation, on: pair.handle) }
                guard operations.allSatisfy(\.isPending) else { return false }
                withExtendedLifetime(loop) {}
            }
            started.withLock { $0 = operations.map(\.result) }
            return true
        }
        #expect(started.withLock { $0 } == Array(repeating: .failure(cancelled), count: 3))
    }

    @Test func `OV-13: whether the socket blocks does not matter`() throws {
        let (handle, peer) = try adoptedPair(by: loop)
        try #require(loop.withSocket(handle) { try? $0.descriptor.setNonBlocking(false) } != nil)
        let operations = (0..<2).map { _ in Operation(capacity: 4) }
        for operation in operations {
            #expect(loop.receive(operation, on: handle) == .pending)
        }
        peer.send("1234")
        #expect(loop.end(of: operations[0]) == .success(bytes: 4))
        #expect(operations[1].isPending)
        let many = [UInt8](repeating: 1, count: 4_000_000)
        let sending = Operation()
        let submission = unsafe many.withUnsafeBytes {
            unsafe loop.send($0, with: sending, on: handle)
        }
        #expect(submission == .pending)
        loop.close(handle)
    }
}
