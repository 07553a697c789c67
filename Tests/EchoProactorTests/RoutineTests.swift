import EchoProactor
import EchoSockets
import EchoTestSupport
import Glibc
import Synchronization
import Testing

/// Notes what routines did.
private final class Log {
    var calls: [Int] = []
    var errors: [Errno?] = []
    var threads: Set<pthread_t> = []

    func note(_ count: Int, _ error: Errno? = nil) {
        calls.append(count)
        errors.append(error)
        threads.insert(pthread_self())
    }
}

@Suite(.timeLimit(.minutes(5)))
struct RoutineTests {
    @Test func `CR-1: a routine runs in an alertable wait only, on the thread that posted`() throws
    {
        let thread = try AlertableThread()
        let (handle, peer) = try associatedPair(with: thread)
        let log = Log()
        let operation = Operation(capacity: 16)
        operation.routine = { error, count, _ in log.note(count, error) }
        #expect(thread.receive(operation, on: handle) == .pending)
        peer.send("hello")
        #expect(thread.sleep(for: .milliseconds(5), alertable: false) == .timedOut)
        let event = thread.makeEvent()
        #expect(thread.wait(for: [event], timeout: .zero) == .timedOut)
        #expect(operation.result == .success(bytes: 5), "it is complete")
        #expect(log.calls.isEmpty)
        #expect(thread.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.calls == [5] && log.errors == [nil])
        #expect(log.threads == [pthread_self()])
        #expect(thread.sleep(for: .zero, alertable: true) == .timedOut, "and once only")
    }

    @Test func `CR-2: success at once queues the routine, and does not run it`() throws {
        let thread = try AlertableThread()
        let (handle, _) = try associatedPair(with: thread)
        let (other, otherPeer) = try associatedPair(with: thread)
        let log = Log()
        let operation = Operation(capacity: 4)
        operation.routine = { error, count, _ in log.note(count, error) }
        #expect(thread.receive(operation, on: other) == .pending)
        otherPeer.send("12345678")
        #expect(thread.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(thread.receive(operation, on: other) == .completed(bytes: 4))
        #expect(log.calls == [4])
        #expect(thread.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.calls == [4, 4])
        thread.close(handle)
    }

    @Test func `CR-2: waiting for the result of an operation with a routine is not allowed`() throws
    {
        let thread = try AlertableThread()
        let operation = Operation(capacity: 4)
        operation.routine = { _, _, _ in }
        #expect(thread.result(of: operation, waiting: true) == .invalid)
    }

    @Test func `CR-2: on error the count is 0`() throws {
        let thread = try AlertableThread()
        let (handle, peer) = try associatedPair(with: thread)
        let log = Log()
        let operation = Operation(capacity: 4)
        operation.routine = { error, count, _ in log.note(count, error) }
        #expect(thread.receive(operation, on: handle) == .pending)
        thread.close(handle)
        #expect(log.calls.isEmpty, "OV-8 does not break CR-1")
        #expect(thread.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.calls == [0] && log.errors == [cancelled])
        peer.close()
    }

    @Test func `CR-3: one wait runs what is queued and what that queues`() throws {
        let thread = try AlertableThread()
        let log = Mutex<[Int]>([])
        thread.queueRoutine {
            log.withLock { $0.append(1) }
            thread.queueRoutine { log.withLock { $0.append(3) } }
        }
        thread.queueRoutine { log.withLock { $0.append(2) } }
        #expect(thread.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.withLock { $0 } == [1, 2, 3])
        #expect(thread.sleep(for: .zero, alertable: true) == .timedOut)
    }

    @Test func `CR-3: one wait runs all that is queued, however much`() throws {
        let thread = try AlertableThread()
        let count = Mutex(0)
        for _ in 0..<500 { thread.queueRoutine { count.withLock { $0 += 1 } } }
        #expect(thread.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(count.withLock { $0 } == 500)
    }

    @Test func `CR-4: an event that is signalled on entry comes before the routines`() throws {
        let thread = try AlertableThread()
        let ran = Atomic(0)
        let event = thread.makeEvent(isSignalled: true)
        thread.queueRoutine { ran.add(1, ordering: .relaxed) }
        #expect(thread.wait(for: [event], timeout: .zero, alertable: true) == .signalled(0))
        #expect(ran.load(ordering: .relaxed) == 0)
        thread.reset(event)
        #expect(thread.wait(for: [event], timeout: .zero, alertable: true) == .routinesRan)
        #expect(ran.load(ordering: .relaxed) == 1)
    }

    @Test func `CR-5: routines are not nested, and may post again`() throws {
        let thread = try AlertableThread()
        let (handle, peer) = try associatedPair(with: thread)
        let log = Log()
        var depth = 0
        var deepest = 0
        let operation = Operation(capacity: 1)
        operation.routine = { _, count, operation in
            depth += 1
            deepest = max(deepest, depth)
            log.note(count)
            if log.calls.count < 40 { _ = thread.receive(operation, on: handle) }
            depth -= 1
        }
        #expect(thread.receive(operation, on: handle) == .pending)
        peer.send(String(repeating: "x", count: 40))
        while log.calls.count < 40, thread.sleep(for: .zero, alertable: true) == .routinesRan {}
        #expect(log.calls.count == 40)
        #expect(deepest == 1)
    }

    @Test func `CR-9: a socket that is always ready does not keep others from theirs`() throws {
        let thread = try AlertableThread(receiveBufferSize: 16)
        let (busy, busyPeer) = try associatedPair(with: thread)
        let (quiet, quietPeer) = try associatedPair(with: thread)
        var keys: [Int] = []
        let receiving = Operation()
        receiving.routine = { _, count, operation in
            keys.append(1)
            if keys.count == 1 { quietPeer.send("me too") }
            if count > 0, keys.count < 5000 { _ = thread.receive(operation, on: busy) }
        }
        let other = Operation(capacity: 16)
        other.routine = { _, _, _ in keys.append(2) }
        #expect(thread.receive(receiving, on: busy) == .pending)
        #expect(thread.receive(other, on: quiet) == .pending)
        for _ in 0..<20 { busyPeer.send(String(repeating: "x", count: 1000)) }
        while thread.sleep(for: .zero, alertable: true) == .routinesRan {}
        let place = try #require(keys.firstIndex(of: 2))
        #expect(place <= 200, "of \(keys.count)")
        // The routine refers to the thread, which refers to it while it waits.
        thread.close(busy)
        #expect(thread.sleep(for: .zero, alertable: true) == .routinesRan)
    }

    @Test func `an operation with a routine is refused on another thread`() async throws {
        let thread = try AlertableThread()
        let (handle, peer) = try associatedPair(with: thread)
        let other = try await onThread { () -> Submission in
            let operation = Operation(capacity: 1)
            operation.routine = { _, _, _ in }
            return thread.receive(operation, on: handle)
        }
        #expect(other == .refused(Errno(rawValue: EPERM)))
        peer.close()
    }

    @Test func `CR-1: only the owner waits alertably`() async throws {
        let thread = try AlertableThread()
        let outcome = try await onThread { thread.sleep(for: .zero, alertable: true) }
        #expect(outcome == .invalidParameter)
    }

    @Test func `a routine queued by another thread ends an alertable wait, each time`() async throws
    {
        let ready = Mutex<AlertableThread?>(nil)
        let count = Mutex(0)
        async let ended = onThread { () -> Bool in
            guard let thread = try? AlertableThread() else { return false }
            ready.withLock { $0 = thread }
            while count.withLock({ $0 }) < 1000 {
                guard thread.sleep(for: patience, alertable: true) == .routinesRan else {
                    return false
                }
            }
            return true
        }
        let isReady = await eventually { ready.withLock { $0 != nil } }
        #expect(isReady)
        let thread = try #require(ready.withLock { $0 })
        #expect(await eventually { thread.waitingCount == 1 })
        for _ in 0..<1000 { thread.queueRoutine { count.withLock { $0 += 1 } } }
        #expect(try await ended)
        #expect(count.withLock { $0 } == 1000)
    }

    @Test func `OV-10: a thread that ends cancels what it started`() throws {
        let thread = try AlertableThread()
        let pairs = try (0..<3).map { try associatedPair(with: thread, key: UInt64($0)) }
        let log = Log()
        for pair in pairs {
            let operation = Operation(capacity: 4)
            operation.routine = { error, count, _ in log.note(count, error) }
            #expect(thread.receive(operation, on: pair.handle) == .pending)
        }
        thread.cancelEverything()
        #expect(thread.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.errors == [cancelled, cancelled, cancelled])
    }
}
