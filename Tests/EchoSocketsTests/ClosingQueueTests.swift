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

    private static func closed(_ pipes: [TestPipe]) -> Int {
        pipes.count { isReadable($0.reading, within: .zero) }
    }

    @Test func `a few are closed at once, as many in each later turn, and all in the end`() throws {
        let queue = ClosingQueue()
        let pipes = try Self.pipes(50, closedBy: queue)
        #expect(Self.closed(pipes) == 16)
        #expect(queue.isBehind)
        #expect(queue.beginTurn())
        #expect(Self.closed(pipes) == 32)
        #expect(queue.beginTurn())
        #expect(Self.closed(pipes) == 48)
        #expect(!queue.beginTurn())
        #expect(Self.closed(pipes) == 50)
        #expect(!queue.isBehind)
    }

    @Test func `what waits is closed with the queue`() throws {
        var queue: ClosingQueue? = ClosingQueue()
        let pipes = try Self.pipes(20, closedBy: #require(queue))
        #expect(Self.closed(pipes) == 16)
        queue = nil
        #expect(Self.closed(pipes) == 20)
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
        #expect(Self.closed(pipes) == 200)
        #expect(!queue.isBehind)
    }
}
