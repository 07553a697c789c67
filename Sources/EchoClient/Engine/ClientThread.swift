package import EchoSockets

/// Runs a client's loop for callers that are asynchronous.
///
/// A loop blocks its thread, which therefore is one of its own.
package enum ClientThread {
    /// Runs a body with a loop on a thread of its own, without blocking the caller's.
    ///
    /// When the calling task is cancelled, the loop is told to end; what the body makes of that is
    /// up to it.
    ///
    /// - Parameters:
    ///   - name: the thread's, as debuggers show it.
    ///   - stop: ends the loop.
    ///   - body: what to do with the loop, which ends with it.
    /// - Returns: what the body returned.
    /// - Throws: what the body threw, or why there is no thread or no loop.
    package static func run<Value: Sendable>(
        name: String,
        stop: ClientStop = ClientStop(),
        _ body: @escaping @Sendable (ClientLoop) throws(SystemError) -> Value
    ) async throws(SystemError) -> Value {
        let outcome = Outcome<Result<Value, SystemError>>()
        try Thread(name: name) {
            let result: Result<Value, SystemError>
            do throws(SystemError) {
                result = .success(try body(try ClientLoop(stop)))
            } catch {
                result = .failure(error)
            }
            outcome.settle(result)
        }.detach()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                outcome.whenSettled { continuation.resume(returning: $0) }
            }
        } onCancel: {
            stop.stop()
        }
        return try result.get()
    }
}
