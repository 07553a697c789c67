import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
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
        let loop = try OverlappedLoop()
        let (handle, peer) = try adoptedPair(by: loop)
        let log = Log()
        let operation = Operation(capacity: 16)
        operation.routine = { error, count, _ in log.note(count, error) }
        #expect(loop.receive(operation, on: handle) == .pending)
        peer.send("hello")
        #expect(loop.sleep(for: .milliseconds(5), alertable: false) == .timedOut)
        let events = EventSet()
        _ = try #require(events.makeEvent())
        #expect(loop.wait(for: events, timeout: .zero) == .timedOut)
        #expect(operation.result == .success(bytes: 5), "it is complete")
        #expect(log.calls.isEmpty)
        #expect(loop.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.calls == [5] && log.errors == [nil])
        #expect(log.threads == [pthread_self()])
        #expect(loop.sleep(for: .zero, alertable: true) == .timedOut, "and once only")
    }

    @Test func `CR-2: success at once queues the routine, and does not run it`() throws {
        let loop = try OverlappedLoop()
        let (handle, _) = try adoptedPair(by: loop)
        let (other, otherPeer) = try adoptedPair(by: loop)
        let log = Log()
        let operation = Operation(capacity: 4)
        operation.routine = { error, count, _ in log.note(count, error) }
        #expect(loop.receive(operation, on: other) == .pending)
        otherPeer.send("12345678")
        #expect(loop.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(loop.receive(operation, on: other) == .completed(bytes: 4))
        #expect(log.calls == [4])
        #expect(loop.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.calls == [4, 4])
        loop.close(handle)
    }

    @Test func `CR-2: on error the count is 0`() throws {
        let loop = try OverlappedLoop()
        let (handle, peer) = try adoptedPair(by: loop)
        let log = Log()
        let operation = Operation(capacity: 4)
        operation.routine = { error, count, _ in log.note(count, error) }
        #expect(loop.receive(operation, on: handle) == .pending)
        loop.close(handle)
        #expect(log.calls.isEmpty, "OV-8 does not break CR-1")
        #expect(loop.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.calls == [0] && log.errors == [cancelled])
        peer.close()
    }

    @Test func `CR-3: one wait runs what is queued and what that queues`() throws {
        let loop = try OverlappedLoop()
        let log = Mutex<[Int]>([])
        loop.queue {
            log.withLock { $0.append(1) }
            loop.queue { log.withLock { $0.append(3) } }
        }
        loop.queue { log.withLock { $0.append(2) } }
        #expect(loop.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(log.withLock { $0 } == [1, 2, 3])
        #expect(loop.sleep(for: .zero, alertable: true) == .timedOut)
    }

    @Test func `CR-3: one wait runs all that is queued, however much`() throws {
        let loop = try OverlappedLoop()
        let count = Mutex(0)
        for _ in 0..<500 { loop.queue { count.withLock { $0 += 1 } } }
        #expect(loop.sleep(for: .zero, alertable: true) == .routinesRan)
        #expect(count.withLock { $0 } == 500)
    }

    @Test func `CR-9: a wait ends although routines queue routines for ever`() throws {
        let loop = try OverlappedLoop()
        let count = Mutex(0)
        @Sendable func again() {
            let isEnough = count.withLock { count in
                count += 1
                return count == 100_000
            }
            if !isEnough { loop.queue(again) }
        }
        loop.queue(again)
        #expect(loop.sleep(for: nil, alertable: true) == .routinesRan)
        #expect(count.withLock { $0 } < 10_000)
    }

    @Test func `CR-4: an event that is signalled on entry comes before the routines`() throws {
        let loop = try OverlappedLoop()
        let ran = Atomic(0)
        let events = EventSet()
        let event = try #require(events.makeEvent())
        event.signal()
        loop.queue { ran.add(1, ordering: .relaxed) }
        #expect(loop.wait(for: events, timeout: .zero, alertable: true) == .signalled(0))
        #expect(ran.load(ordering: .relaxed) == 0)
        event.reset()
        #expect(loop.wait(for: events, timeout: .zero, alertable: true) == .routinesRan)
        #expect(ran.load(ordering: .relaxed) == 1)
    }

    @Test func `CR-5: routines are not nested, and may post again`() throws {
        let loop = try OverlappedLoop()
        let (handle, peer) = try adoptedPair(by: loop)
        let log = Log()
        var depth = 0
        var deepest = 0
        let operation = Operation(capacity: 1)
        operation.routine = { _, count, operation in
            depth += 1
            deepest = max(deepest, depth)
            log.note(count)
            if log.calls.count < 40 { _ = loop.receive(operation, on: handle) }
            depth -= 1
        }
        #expect(loop.receive(operation, on: handle) == .pending)
        peer.send(String(repeating: "x", count: 40))
        while log.calls.count < 40, loop.sleep(for: .zero, alertable: true) == .routinesRan {}
        #expect(log.calls.count == 40)
        #expect(deepest == 1)
    }

    @Test func `CR-9: a socket that is always ready does not keep others from theirs`() throws {
        let loop = try OverlappedLoop(receiveBufferSize: 16)
        let (busy, busyPeer) = try adoptedPair(by: loop)
        let (quiet, quietPeer) = try adoptedPair(by: loop)
        var keys: [Int] = []
        let receiving = Operation()
        receiving.routine = { _, count, operation in
            keys.append(1)
            if keys.count == 1 { quietPeer.send("me too") }
            if count > 0, keys.count < 5000 { _ = loop.receive(operation, on: busy) }
        }
        let other = Operation(capacity: 16)
        other.routine = { _, _, _ in keys.append(2) }
        #expect(loop.receive(receiving, on: busy) == .pending)
        #expect(loop.receive(other, on: quiet) == .pending)
        for _ in 0..<20 { busyPeer.send(String(repeating: "x", count: 1000)) }
        while loop.sleep(for: .zero, alertable: true) == .routinesRan {}
        let place = try #require(keys.firstIndex(of: 2))
        #expect(place <= 48, "of \(keys.count)")
        // The routine refers to the loop, which refers to it while it waits.
        loop.close(busy)
        #expect(loop.sleep(for: .zero, alertable: true) == .routinesRan)
    }

    @Test func `PR-5: who becomes ready waits for few long turns`() throws {
        let loop = try OverlappedLoop()
        let (quiet, quietPeer) = try adoptedPair(by: loop)
        var keys: [Int] = []
        var pairs: [(handle: SocketHandle, peer: Peer)] = []
        for key in 1...8 {
            let (handle, peer) = try adoptedPair(by: loop)
            for _ in 0..<5 { peer.send(String(repeating: "x", count: 32 * 1024)) }
            let receiving = Operation()
            receiving.routine = { error, _, operation in
                guard error == nil else { return }
                keys.append(key)
                if keys.count == 8 { quietPeer.send("me too") }
                _ = loop.receive(operation, on: handle)
            }
            #expect(loop.receive(receiving, on: handle) == .pending)
            pairs.append((handle, peer))
        }
        let other = Operation(capacity: 16)
        other.routine = { _, _, _ in keys.append(9) }
        #expect(loop.receive(other, on: quiet) == .pending)
        while loop.sleep(for: .zero, alertable: true) == .routinesRan {}
        let place = try #require(keys.firstIndex(of: 9))
        #expect(place <= 8 + 3, "\(keys)")
        #expect(Set(keys.prefix(8)).count == 8, "\(keys)")
        // The routines refer to the loop, which refers to them while they wait.
        for (handle, _) in pairs { loop.close(handle) }
        #expect(loop.sleep(for: .zero, alertable: true) == .routinesRan)
    }

    @Test func `a routine queued by another thread ends an alertable wait, each time`() async throws
    {
        let ready = Mutex<OverlappedLoop?>(nil)
        let count = Mutex(0)
        async let ended = onThread { () -> Bool in
            guard let loop = try? OverlappedLoop() else { return false }
            ready.withLock { $0 = loop }
            while count.withLock({ $0 }) < 1000 {
                guard loop.sleep(for: patience, alertable: true) == .routinesRan else {
                    return false
                }
            }
            return true
        }
        let isReady = await eventually { ready.withLock { $0 != nil } }
        #expect(isReady)
        let loop = try #require(ready.withLock { $0 })
        for _ in 0..<1000 { loop.queue { count.withLock { $0 += 1 } } }
        #expect(try await ended)
        #expect(count.withLock { $0 } == 1000)
    }
}
