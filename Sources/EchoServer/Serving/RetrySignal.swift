/// Has an acceptor that pauses look again: a connection has ended, so that a place, or descriptors,
/// may be free.
///
/// Needs no descriptor: how the acceptor's thread is woken is the model's business. Any thread.
final class RetrySignal: Sendable {
    private let wake: @Sendable () -> Void

    /// - Parameter wake: wakes the acceptor; must not block.
    init(_ wake: @escaping @Sendable () -> Void) {
        self.wake = wake
    }

    /// Wakes the acceptor.
    func send() {
        wake()
    }
}
