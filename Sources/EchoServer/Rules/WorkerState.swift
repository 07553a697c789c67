import EchoSockets

/// The state of one serving thread: the rules it applies, the time, a receive buffer and its
/// counters.
///
/// Confined to that thread.
@safe
final class WorkerState {
    let rules: EchoRules
    let counters: Counters
    /// The time of the current turn, to within a kernel tick; see ``refreshTime()``.
    private(set) var now = MonotonicTime.coarse
    /// The buffer for receiving bytes before they are sent back.
    ///
    /// One for all connections of the thread.
    let buffer: UnsafeMutableRawBufferPointer
    /// Bytes in ``buffer``.
    let bufferSize: Int

    /// The state of a new thread.
    ///
    /// - Parameters:
    ///   - rules: those of the server.
    ///   - counters: the thread's counters.
    ///   - bufferSize: bytes of the receive buffer.
    init(_ rules: EchoRules, _ counters: Counters, bufferSize: Int) {
        self.rules = rules
        self.counters = counters
        self.bufferSize = bufferSize
        unsafe buffer = .allocate(byteCount: bufferSize, alignment: 64)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    /// Reads the clock; once a turn is enough, for what is measured in tenths of a second.
    func refreshTime() {
        now = .coarse
    }
}

@available(*, unavailable)
extension WorkerState: Sendable {}
