import EchoSockets

/// Runs work that blocks on a thread of its own, and waits for it without blocking a task's thread.
///
/// Work that has not ended in time is left to itself: its test fails instead of hanging.
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
    try Thread(name: name, stackSize: testStackSize) {
        outcome.complete(Swift.Result { try work() })
        ended.signal()
    }.detach()
    try expire(outcome, after: limit, unless: ended, "work on a thread")
    return try await outcome.value.get()
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
