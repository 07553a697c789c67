import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ClosingQueueTests {
    // Pipes whose writing ends only the queue has: it has closed those that are at their end.
    private static func pipes(_ count: Int, closedBy queue: ClosingQueue) throws -> [TestPipe] {
        try (0..<count).map { _ in
            let pipe = try TestPipe()
            try add(pipe, to: queue)
            return pipe
        }
    }

    private static func add(_ pipe: TestPipe, to queue: ClosingQueue) throws {
        let number = try systemCall("fcntl") { fcntl(pipe.writing, F_DUPFD_CLOEXEC, 0) }
        pipe.closeWriting()
        queue.close(Descriptor(adopting: number))
    }

    // Waits for as many to be closed as expected, and no longer: a process that another test starts
    // has the writing ends as well, from its fork until it runs its program.
    private static func closed(_ pipes: [TestPipe], of expected: Int) -> Int {
        var closed = 0
        _ = eventuallyBlocking {
            closed = pipes.count { isReadable($0.reading, within: .zero) }
            return closed >= expected
        }
        return closed
    }

    @Test func `a few are closed at once, as many in each later turn, and all in the end`() throws {
        let queue = ClosingQueue()
        let pipes = try Self.pipes(50, closedBy: queue)
        #expect(Self.closed(pipes, of: 16) == 16)
        #expect(queue.isBehind)
        #expect(queue.beginTurn())
        #expect(Self.closed(pipes, of: 32) == 32)
        #expect(queue.beginTurn())
        #expect(Self.closed(pipes, of: 48) == 48)
        #expect(!queue.beginTurn())
        #expect(Self.closed(pipes, of: 50) == 50)
        #expect(!queue.isBehind)
    }

    @Test func `what waits is closed with the queue`() throws {
        var queue: ClosingQueue? = ClosingQueue()
        let pipes = try Self.pipes(20, closedBy: #require(queue))
        #expect(Self.closed(pipes, of: 16) == 16)
        queue = nil
        #expect(Self.closed(pipes, of: 20) == 20)
    }

    @Test func `threads that close and take turns at the same time forget none`() async throws {
        let queue = ClosingQueue()
        let pipes = try (0..<200).map { _ in try TestPipe() }
        try await withThrowingTaskGroup { group in
            for part in [pipes[..<100], pipes[100...]] {
                group.addTask {
                    for pipe in part {
                        try Self.add(pipe, to: queue)
                        if pipe.reading % 3 == 0 { _ = queue.beginTurn() }
                    }
                }
            }
            try await group.waitForAll()
        }
        queue.closeAll()
        #expect(Self.closed(pipes, of: 200) == 200)
        #expect(!queue.isBehind)
    }
}
