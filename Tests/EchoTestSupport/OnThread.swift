import EchoSockets

/// Runs work that blocks on a thread of its own, and waits for it without blocking a task's thread.
///
/// What the work expects belongs to the test that calls this. Work that has not ended in time is
/// left to itself: its test fails instead of hanging.
///
/// - Parameters:
///   - name: the thread's name, cut to 15 bytes.
///   - limit: how long the work may take.
///   - work: what to run.
/// - Returns: what the work returned.
/// - Throws: what the work threw; ``DeadlineExceeded``; or `SystemError` if no thread could be had.
package func onThread<Result: Sendable>(
    _ name: String = "test",
    within limit: Duration = .seconds(50),
    _ work: @escaping @Sendable () throws -> Result
) async throws -> Result {
    let outcome = Completion<Swift.Result<Result, any Error>>()
    let ended = try Wakeup()
    let thread = try OneJobThread(name)
    try expire(outcome, after: limit, unless: ended, "work on a thread")
    Task(executorPreference: thread) {
        outcome.complete(Swift.Result { try work() })
        ended.signal()
    }
    return try await outcome.value.get()
}

/// Runs work that blocks on several threads, and waits for all of them.
///
/// - Parameters:
///   - count: the number of threads.
///   - limit: how long the work may take.
///   - work: what to run; it is given a number from 0.
/// - Returns: what the work returned, in the order of the numbers.
/// - Throws: like ``onThread(_:within:_:)``.
package func onThreads<Result: Sendable>(
    _ count: Int,
    within limit: Duration = .seconds(50),
    _ work: @escaping @Sendable (Int) throws -> Result
) async throws -> [Result] {
    try await withThrowingTaskGroup { group in
        for number in 0..<count {
            group.addTask {
                let name = "test-\(number)"
                return (number, try await onThread(name, within: limit) { try work(number) })
            }
        }
        var results: [Int: Result] = [:]
        for try await (number, result) in group { results[number] = result }
        return (0..<count).compactMap { results[$0] }
    }
}

/// A thread for a single job of a task: one without a suspension.
private final class OneJobThread: TaskExecutor {
    private let job = Locked<UnownedJob?>(nil)
    private let hasJob: Wakeup

    init(_ name: String) throws(SystemError) {
        hasJob = try Wakeup()
        try Thread(name: name, stackSize: testStackSize) {
            _ = isReadable(self.hasJob.number, within: .seconds(3600))
            unsafe self.job.withLock { $0 }?
                .runSynchronously(on: self.asUnownedTaskExecutor())
        }.detach()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.job.withLock { $0 = job }
        hasJob.signal()
    }
}

/// Completes an outcome with a failure unless something is signalled in time.
func expire<Result: Sendable>(
    _ outcome: Completion<Swift.Result<Result, any Error>>,
    after limit: Duration,
    unless ended: Wakeup,
    _ what: String
) throws(SystemError) {
    try Thread(name: "deadline", stackSize: testStackSize) {
        if !isReadable(ended.number, within: limit) {
            let error = DeadlineExceeded(description: "\(what) did not end within \(limit)")
            outcome.complete(.failure(error))
        }
    }.detach()
}

/// Waits without blocking a task's thread.
package func pause(milliseconds: CInt) async {
    await withCheckedContinuation { continuation in
        let thread = try? Thread(name: "pause", stackSize: testStackSize) {
            wait(milliseconds: milliseconds)
            continuation.resume()
        }
        if let thread { thread.detach() } else { continuation.resume() }
    }
}

/// Bytes of stack for a test's thread; sanitizers need more than the default.
package let testStackSize = 4 * 1024 * 1024
