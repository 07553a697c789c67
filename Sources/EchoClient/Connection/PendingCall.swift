import EchoSockets
import Synchronization

/// A call that the thread of connections carries out for a task.
///
/// Any thread.
final class PendingCall<Value: Sendable>: Sendable {
    private let outcome = Outcome<Result<Value, CallFailure>>()
    private let abandoned = Atomic(false)

    /// Whether nobody waits for it any more.
    var isAbandoned: Bool { abandoned.load(ordering: .acquiring) }

    /// Ends it; only the first end counts.
    ///
    /// - Returns: whether this was the first.
    @discardableResult
    func end(_ result: Result<Value, CallFailure>) -> Bool {
        outcome.settle(result)
    }

    /// Waits for its end, without blocking a thread.
    ///
    /// - Parameter onCancel: told when the task is cancelled, after which the call is abandoned;
    ///   any thread.
    /// - Returns: what came of it.
    /// - Throws: why nothing did.
    func value(onCancel: @escaping @Sendable () -> Void) async throws(CallFailure) -> Value {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                outcome.whenSettled { continuation.resume(returning: $0) }
            }
        } onCancel: {
            abandoned.store(true, ordering: .releasing)
            outcome.settle(.failure(.cancelled))
            onCancel()
        }
        return try result.get()
    }
}
