import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Synchronization
import Testing

/// What holds when several threads serve a port.
@Suite(.timeLimit(.minutes(5)))
struct WorkerTests {
    @Test func `CP-2: parked workers are released last in, first out`() async throws {
        let port = try CompletionPort(concurrency: 1)
        let order = Mutex<[Int]>([])
        let gate = Gate()
        var threads: [Thread] = []
        for number in 0..<4 {
            threads.append(
                try Thread(name: "lifo-\(number)") {
                    let worker = CompletionPort.Worker(of: port)
                    while case .success(let packet) = worker.dequeue(), packet.key == 1 {
                        order.withLock { $0.append(number) }
                        worker.blocking { gate.wait() }
                    }
                }
            )
            #expect(await eventually { port.waitingCount == number + 1 })
        }
        for count in 1...4 {
            port.post(key: 1)
            #expect(await eventually { order.withLock { $0.count } == count })
        }
        #expect(order.withLock { $0 } == [0, 3, 2, 1], "the one that polls, then the parked")
        gate.open()
        port.close()
        await joined(threads)
    }

    @Test(arguments: [1, 2])
    func `CP-3: no more packets are handled at a time than the concurrency value`(
        _ limit: Int
    )
        async throws
    {
        let port = try CompletionPort(concurrency: limit)
        let current = Atomic(0)
        let highest = Mutex(0)
        let handled = Atomic(0)
        // So many that workers look for edges in between, which they do without the monitor; and
        // threads that leave the port and join it anew come in just then.
        let count = isSanitized ? 10_000 : 50_000
        for number in 1...count { port.post(key: UInt64(number)) }
        for _ in 0..<4 { port.post(key: 0) }
        _ = try await onThreads(4) { _ in
            while true {
                let worker = CompletionPort.Worker(of: port)
                guard case .success(let packet) = worker.dequeue(), packet.key != 0 else { break }
                let now = current.add(1, ordering: .sequentiallyConsistent).newValue
                highest.withLock { $0 = max($0, now) }
                sched_yield()
                current.subtract(1, ordering: .sequentiallyConsistent)
                handled.add(1, ordering: .sequentiallyConsistent)
                withExtendedLifetime(worker) {}
            }
        }
        #expect(handled.load(ordering: .sequentiallyConsistent) == count)
        #expect(highest.withLock { $0 } <= limit)
    }

    @Test func `CP-3: a handler that blocks lets another packet be handled`() async throws {
        let port = try CompletionPort(concurrency: 1)
        let gate = Gate()
        port.post(key: 1)
        port.post(key: 2)
        let keys = try await onThreads(2) { _ -> UInt64 in
            let worker = CompletionPort.Worker(of: port)
            guard case .success(let packet) = worker.dequeue() else { return 0 }
            // The first can only go on because the second is handled meanwhile.
            if packet.key == 1 { worker.blocking { gate.wait() } } else { gate.open() }
            return packet.key
        }
        #expect(keys.sorted() == [1, 2])
    }

    @Test func `a second packet wakes a second worker, though the first is not done`() async throws
    {
        let port = try CompletionPort(concurrency: 2)
        let rounds = 300
        let arrived = Atomic(0)
        async let results = onThreads(2) { _ -> Bool in
            let worker = CompletionPort.Worker(of: port)
            for round in 1...rounds {
                guard case .success = worker.dequeue(timeout: patience) else { return false }
                // Without `blocking`, so that nothing but the second packet wakes the other.
                arrived.add(1, ordering: .sequentiallyConsistent)
                guard
                    eventuallyBlocking({
                        arrived.load(ordering: .sequentiallyConsistent) >= 2 * round
                    })
                else { return false }
            }
            return true
        }
        for round in 0..<rounds {
            #expect(
                await eventually { arrived.load(ordering: .sequentiallyConsistent) == 2 * round }
            )
            if round % 2 == 0 { #expect(await eventually { port.waitingCount == 2 }) }
            port.post(key: 1)
            port.post(key: 2)
        }
        #expect(try await results == [true, true])
    }

    @Test func `a million posted packets are dequeued, none lost or doubled`() async throws {
        let port = try CompletionPort(concurrency: 2)
        let (posters, each, takers) = (4, 250_000, 3)
        async let taken = onThreads(takers, within: .seconds(150)) { _ -> [UInt64] in
            let worker = CompletionPort.Worker(of: port)
            var count: UInt64 = 0
            var squares: UInt64 = 0
            while case .success(let packet) = worker.dequeue(), packet.key != 0 {
                count += 1
                squares &+= packet.key &* packet.key
            }
            return [count, squares]
        }
        _ = try await onThreads(posters, within: .seconds(150)) { number in
            for index in 0..<each { port.post(key: UInt64(1 + number * each + index)) }
        }
        for _ in 0..<takers { port.post(key: 0) }
        let results = try await taken
        let total = UInt64(posters * each)
        #expect(results.reduce(0) { $0 + $1[0] } == total)
        let squares = (1...total).reduce(UInt64(0)) { $0 &+ $1 &* $1 }
        #expect(results.reduce(0) { $0 &+ $1[1] } == squares)
    }

    @Test func `CP-9: one sentinel a worker ends all workers, after everything before it`()
        async throws
    {
        let port = try CompletionPort(concurrency: 2)
        let handled = Atomic(0)
        for _ in 0..<500 { port.post(key: 1) }
        for _ in 0..<3 { port.post(key: 0) }
        let pool = try WorkerPool(name: "cp9", count: 3) { _ in
            let worker = CompletionPort.Worker(of: port)
            while case .success(let packet) = worker.dequeue(), packet.key == 1 {
                handled.add(1, ordering: .relaxed)
            }
        }
        try await onThread { pool.wait() }
        #expect(handled.load(ordering: .relaxed) == 500)
        #expect(port.queuedCount == 0 && port.runningCount == 0)
    }

    @Test func `CP-4: closing the port tells every waiting thread`() async throws {
        let port = try CompletionPort(concurrency: 2)
        let abandoned = Atomic(0)
        var threads: [Thread] = []
        for number in 0..<4 {
            threads.append(
                try Thread(name: "closed-\(number)") {
                    let worker = CompletionPort.Worker(of: port)
                    if case .abandoned = worker.dequeue() { abandoned.add(1, ordering: .relaxed) }
                }
            )
        }
        #expect(await eventually { port.waitingCount == 4 })
        port.close()
        await joined(threads)
        #expect(abandoned.load(ordering: .relaxed) == 4)
        #expect(!port.post(key: 1))
    }

    @Test func `a worker that waits with sockets and without work uses no CPU`() async throws {
        let port = try CompletionPort(concurrency: 2)
        let pairs = try (0..<10).map { try adoptedPair(by: port, key: UInt64($0)) }
        for pair in pairs { port.receive(on: pair.handle) }
        let used = try await onThreads(3) { _ -> Int in
            let worker = CompletionPort.Worker(of: port)
            var before = timespec()
            var after = timespec()
            unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before)
            guard case .timedOut = worker.dequeue(timeout: .milliseconds(300)) else { return -1 }
            unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after)
            return (after.tv_sec - before.tv_sec) * 1_000_000
                + (after.tv_nsec - before.tv_nsec) / 1000
        }
        #expect(used.allSatisfy { (0..<20_000).contains($0) }, "microseconds: \(used)")
        for pair in pairs { pair.peer.close() }
    }

    @Test func `PF-20: every worker of a pool has a thread at once, however many block`()
        async throws
    {
        let arrived = Atomic(0)
        let names = Mutex<Set<String>>([])
        let pool = try WorkerPool(name: "blocked", count: 12) { number in
            _ = eventuallyBlocking { arrived.load(ordering: .sequentiallyConsistent) == number }
            names.withLock { _ = $0.insert(currentThreadName()) }
            arrived.add(1, ordering: .sequentiallyConsistent)
            _ = eventuallyBlocking { arrived.load(ordering: .sequentiallyConsistent) == 12 }
        }
        try await onThread { pool.wait() }
        #expect(arrived.load(ordering: .sequentiallyConsistent) == 12)
        #expect(names.withLock { $0 } == Set((0..<12).map { "blocked-\($0)" }))
    }
}

/// The name by which `ps -L` shows the calling thread.
private func currentThreadName() -> String {
    let number = unsafe open("/proc/thread-self/comm", O_RDONLY | O_CLOEXEC)
    let file = Descriptor(adopting: number)
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = unsafe read(file.rawValue, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count - 1)), as: UTF8.self)
}
