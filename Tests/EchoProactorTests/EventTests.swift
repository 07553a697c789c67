import EchoProactor
import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EventTests {
    @Test func `OV-2: posting resets the event, completion sets it`() throws {
        let proactor = try EventProactor()
        let (handle, peer) = try associatedPair(with: proactor)
        let operation = Operation(capacity: 16)
        let event = proactor.makeEvent(isSignalled: true)
        operation.event = event
        #expect(proactor.receive(operation, on: handle) == .pending)
        #expect(!proactor.isSignalled(event))
        #expect(proactor.wait(for: [event], timeout: .zero) == .timedOut)
        peer.send("done")
        #expect(proactor.wait(for: [event], timeout: patience) == .signalled(0))
        #expect(proactor.isSignalled(event), "a manual event stays signalled")
        #expect(proactor.result(of: operation) == .success(bytes: 4))
        #expect(operation.text == "done")
    }

    @Test func `OV-1: what completes at once sets the event too; what is refused does not`() throws
    {
        let proactor = try EventProactor()
        let (handle, peer) = try associatedPair(with: proactor)
        let operation = Operation(capacity: 4)
        let event = proactor.makeEvent()
        operation.event = event
        #expect(proactor.receive(operation, on: handle) == .pending)
        peer.send("12345678")
        #expect(proactor.wait(for: [event], timeout: patience) == .signalled(0))
        #expect(proactor.receive(operation, on: handle) == .completed(bytes: 4))
        #expect(proactor.isSignalled(event))
        proactor.close(handle)
        proactor.reset(event)
        #expect(proactor.receive(operation, on: handle) == .refused(Errno(rawValue: ENOTSOCK)))
        #expect(proactor.wait(for: [event], timeout: .zero) == .timedOut)
    }

    @Test
    func `OV-3: the result is incomplete, then success; waiting for it works without an event`()
        throws
    {
        let proactor = try EventProactor()
        let (handle, peer) = try associatedPair(with: proactor)
        let operation = Operation(capacity: 4)
        #expect(proactor.receive(operation, on: handle) == .pending)
        #expect(proactor.result(of: operation) == .incomplete)
        peer.send("ab")
        #expect(proactor.result(of: operation, waiting: true) == .success(bytes: 2))
    }

    @Test func `OV-3: a failed operation's result is its own error, not a count of zero`() throws {
        let proactor = try EventProactor()
        let (handle, peer) = try associatedConnection(with: proactor)
        let operation = Operation(capacity: 4)
        #expect(proactor.receive(operation, on: handle) == .pending)
        peer.reset()
        let reset = Errno(rawValue: ECONNRESET)
        #expect(proactor.result(of: operation, waiting: true) == .failure(reset))
    }

    @Test func `OV-8: closing sets the event of each pending operation`() throws {
        let proactor = try EventProactor()
        let (handle, peer) = try associatedPair(with: proactor)
        let operations = (0..<5).map { _ in Operation(capacity: 4) }
        for operation in operations {
            operation.event = proactor.makeEvent()
            #expect(proactor.receive(operation, on: handle) == .pending)
        }
        proactor.close(handle)
        let events = operations.compactMap(\.event)
        #expect(proactor.wait(for: events, all: true, timeout: .zero) == .signalled(0))
        #expect(operations.allSatisfy { $0.result == .failure(cancelled) })
        peer.close()
    }

    @Test func `ES-8: a wait takes 1 to 64 events`() throws {
        let proactor = try EventProactor()
        let events = (0..<65).map { _ in proactor.makeEvent() }
        #expect(proactor.wait(for: [], timeout: .zero) == .invalidParameter)
        #expect(proactor.wait(for: events, timeout: .zero) == .invalidParameter)
        proactor.set(events[63])
        #expect(proactor.wait(for: Array(events[..<64]), timeout: .zero) == .signalled(63))
    }

    @Test func `ES-8: an event twice is illegal only if all are awaited`() throws {
        let proactor = try EventProactor()
        let event = proactor.makeEvent(isSignalled: true)
        #expect(proactor.wait(for: [event, event], timeout: .zero) == .signalled(0))
        #expect(proactor.wait(for: [event, event], all: true, timeout: .zero) == .invalidParameter)
    }

    @Test func `ES-9: the lowest signalled index wins`() throws {
        let proactor = try EventProactor()
        let events = (0..<8).map { _ in proactor.makeEvent() }
        proactor.set(events[6])
        proactor.set(events[2])
        #expect(proactor.wait(for: events, timeout: .zero) == .signalled(2))
        #expect(proactor.wait(for: events, timeout: .zero) == .signalled(2), "and starves the rest")
        #expect(proactor.wait(for: Array(events[3...]), timeout: .zero) == .signalled(3))
    }

    @Test func `ES-10: waiting for all changes nothing until all are signalled`() throws {
        let proactor = try EventProactor()
        let events = (0..<3).map { _ in proactor.makeEvent(isAutomatic: true) }
        proactor.set(events[0])
        proactor.set(events[2])
        #expect(proactor.wait(for: events, all: true, timeout: .zero) == .timedOut)
        #expect(proactor.isSignalled(events[0]) && proactor.isSignalled(events[2]))
        proactor.set(events[1])
        #expect(proactor.wait(for: events, all: true, timeout: .zero) == .signalled(0))
        #expect(
            !events.contains { proactor.isSignalled($0) },
            "ES-2: automatic events are consumed"
        )
    }

    @Test func `ES-11: closing an event ends a wait for it, and its handle names nothing`()
        async throws
    {
        let proactor = try EventProactor()
        let event = proactor.makeEvent()
        async let outcome = onThread { proactor.wait(for: [event], timeout: patience) }
        #expect(await eventually { proactor.waitingCount == 1 })
        proactor.close(event)
        #expect(try await outcome == .invalidHandle)
        let next = proactor.makeEvent()
        #expect(next != event && !proactor.set(event) && !proactor.isSignalled(next))
    }

    @Test func `an event set by another thread ends a wait`() async throws {
        let proactor = try EventProactor()
        for round in 0..<100 {
            let event = proactor.makeEvent()
            async let outcome = onThread { proactor.wait(for: [event], timeout: patience) }
            if round % 2 == 0 { #expect(await eventually { proactor.waitingCount == 1 }) }
            proactor.set(event)
            #expect(try await outcome == .signalled(0))
            proactor.close(event)
        }
    }

    @Test func `threads that wait on one proactor all learn of their own events`() async throws {
        let proactor = try EventProactor()
        let pairs = try (0..<4).map { try associatedPair(with: proactor, key: UInt64($0)) }
        let operations = pairs.map { _ in Operation(capacity: 4) }
        for (operation, pair) in zip(operations, pairs) {
            operation.event = proactor.makeEvent()
            #expect(proactor.receive(operation, on: pair.handle) == .pending)
        }
        async let outcomes = onThreads(4) { number -> EventWaitOutcome in
            guard let event = operations[number].event else { return .invalidHandle }
            return proactor.wait(for: [event], timeout: patience)
        }
        // In the order least kind to the thread that drives.
        #expect(await eventually { proactor.waitingCount == 4 })
        for pair in pairs.reversed() { pair.peer.send("x") }
        #expect(try await outcomes == Array(repeating: .signalled(0), count: 4))
    }

    @Test func `a thread that stops driving leaves it to one that waits on`() async throws {
        let proactor = try EventProactor()
        let (handle, peer) = try associatedPair(with: proactor)
        let operation = Operation(capacity: 4)
        let event = proactor.makeEvent()
        operation.event = event
        #expect(proactor.receive(operation, on: handle) == .pending)
        let other = proactor.makeEvent()
        async let first = onThread { proactor.wait(for: [other], timeout: .seconds(2)) }
        #expect(await eventually { proactor.waitingCount == 1 })
        async let second = onThread { proactor.wait(for: [event], timeout: patience) }
        #expect(try await first == .timedOut)
        peer.send("x")
        #expect(try await second == .signalled(0))
    }

    @Test func `an operation that borrows its buffer echoes from it`() throws {
        let proactor = try EventProactor()
        let (handle, peer) = try associatedPair(with: proactor)
        let operation = Operation()
        operation.event = proactor.makeEvent()
        for round in 0..<3 {
            #expect(proactor.receive(operation, on: handle) == .pending)
            peer.send("round \(round)")
            #expect(proactor.result(of: operation, waiting: true) == .success(bytes: 7))
            let submission = unsafe proactor.send(operation.bytes, with: operation, on: handle)
            #expect(submission == .completed(bytes: 7))
            #expect(peer.receive() == Array("round \(round)".utf8))
        }
    }

    @Test func `PR-5: sockets that are ready together all get their turn`() throws {
        let proactor = try EventProactor()
        let pairs = try (0..<64).map { try associatedPair(with: proactor, key: UInt64($0)) }
        let operations = pairs.map { _ in Operation(capacity: 4) }
        for (operation, pair) in zip(operations, pairs) {
            operation.event = proactor.makeEvent()
            #expect(proactor.receive(operation, on: pair.handle) == .pending)
            pair.peer.send("x")
        }
        let events = operations.compactMap(\.event)
        var served: Set<Int> = []
        while served.count < 64 {
            guard case .signalled(let index) = proactor.wait(for: events, timeout: .zero) else {
                break
            }
            served.insert(index)
            proactor.reset(events[index])
        }
        #expect(served.count == 64)
    }
}
