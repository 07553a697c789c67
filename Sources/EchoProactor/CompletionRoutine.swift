package import EchoSockets

/// What runs when an operation has completed.
///
/// The corresponding Winsock type is `LPWSAOVERLAPPED_COMPLETION_ROUTINE`.
///
/// Runs on the thread that posted the operation, in an alertable wait only (CR-1). It may post
/// further operations, this one too (CR-5). A function, or a closure that captures nothing, costs
/// no reference counting; ``Operation/context`` or ``Operation/owner`` tells it whom it works for.
/// One that captures its ``AlertableThread`` keeps it alive while the operation is pending: close
/// the socket first.
///
/// - Parameters:
///   - error: why the operation failed; `nil` if it succeeded.
///   - byteCount: the bytes moved; 0 on error (CR-2).
///   - operation: the operation.
package typealias CompletionRoutine = (
    _ error: Errno?, _ byteCount: Int, _ operation: Operation
) -> Void
