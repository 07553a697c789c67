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

    /// Whether large streams bypass user space.
    let splices: Bool
    // Opened for the first of them, and kept while the thread has connections.
    private var pipe: SplicePipe?

    /// The state of a new thread.
    ///
    /// - Parameters:
    ///   - rules: those of the server.
    ///   - counters: the thread's counters.
    ///   - bufferSize: bytes of the receive buffer.
    ///   - splices: whether large streams bypass user space.
    init(_ rules: EchoRules, _ counters: Counters, bufferSize: Int, splices: Bool) {
        self.rules = rules
        self.counters = counters
        self.bufferSize = bufferSize
        self.splices = splices
        unsafe buffer = .allocate(byteCount: bufferSize, alignment: 64)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    /// Lends the pipe of the thread.
    ///
    /// - Returns: what `body` returned; `nil` if there are no descriptors for a pipe.
    func withPipe<Result>(_ body: (inout SplicePipe) -> Result?) -> Result? {
        guard var pipe = self.pipe.take() ?? (try? SplicePipe()) else { return nil }
        let result = body(&pipe)
        // What a failed connection left in it must not reach another.
        if pipe.count == 0 { self.pipe = consume pipe }
        return result
    }

    /// Closes the pipe of the thread, if there is one.
    func closePipe() {
        pipe = nil
    }

    /// Reads the clock; once a turn is enough, for what is measured in tenths of a second.
    func refreshTime() {
        now = .coarse
    }
}

@available(*, unavailable)
extension WorkerState: Sendable {}
