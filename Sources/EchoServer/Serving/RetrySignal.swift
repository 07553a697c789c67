/// Makes a paused acceptor check again: a connection has ended, so a place, or descriptors, may be
/// free.
///
/// Needs no descriptor: the model decides how to wake the acceptor's thread. Any thread.
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
