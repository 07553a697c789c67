import Sockets

/// Runs work that blocks on a thread of its own, and waits for it without blocking a task's thread.
///
/// - Parameters:
///   - name: the thread's name, cut to 15 bytes.
///   - work: what to run.
/// - Returns: what the work returned.
/// - Throws: what the work threw, or `SystemError` if no thread could be had.
package func onThread<Result: Sendable>(
    _ name: String = "test",
    _ work: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        do {
            let thread = try Thread(name: name, stackSize: testStackSize) {
                continuation.resume(with: Swift.Result { try work() })
            }
            thread.detach()
        } catch {
            continuation.resume(throwing: error)
        }
    }
}

/// Bytes of stack for a test's thread; sanitizers need more than the default.
package let testStackSize = 4 * 1024 * 1024
