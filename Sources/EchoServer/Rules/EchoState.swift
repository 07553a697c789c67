import EchoSockets

/// The echo rules of one connection: events go in, demands come out.
///
/// No input or output, no clock, no memory: each I/O model drives the same rules in its own way.
///
/// - Bytes go back unchanged, in order, all of them.
/// - After the peer's end of stream, pending bytes are delivered, then our own end of stream.
/// - Above the high-water mark the connection is not read; below half of it, it is again.
/// - A failure ends this connection alone.
/// - No progress in either direction for the idle timeout ends it.
/// - While draining it is served until it is quiet; then our end of stream, then the peer's
///   within the linger timeout, so that closing cannot destroy bytes in flight (PF-21).
/// - A delayed server does not mistake its own delay for the peer's silence.
struct EchoState: Sendable {
    /// What happened.
    enum Event: Equatable, Sendable {
        /// A number of bytes arrived.
        case received(Int)
        /// The peer has sent its last byte.
        case endOfInput
        /// The transport took a number of the pending bytes.
        case sent(Int)
        /// A transfer failed.
        case failed(Errno)
        /// Something can be received, or there is room to send, and the server has not acted on it
        /// yet.
        case ready
        /// Time has passed; see ``EchoState/check(_:at:_:isReady:)``.
        case tick
        /// The server is shutting down: serve until quiet.
        case drain
        /// Read no more, deliver pending bytes, end the stream.
        case finish
        /// Close as it is.
        case abort
    }

    /// What to do now.
    ///
    /// A complete answer: whatever it does not contain must stop.
    struct Demand: OptionSet, Sendable {
        let rawValue: UInt8

        /// Receive when there is something, up to ``EchoState/allowance(_:)`` bytes.
        static let receive = Demand(rawValue: 1)
        /// Send pending bytes when there is room.
        static let send = Demand(rawValue: 2)
        /// Shut down the sending direction.
        ///
        /// Demanded once.
        static let shutdownSend = Demand(rawValue: 4)
        /// Close; see ``EchoState/closeCause`` and ``EchoState/resetsOnClose``.
        ///
        /// Nothing follows.
        static let close = Demand(rawValue: 8)
    }

    private enum Phase: UInt8 {
        /// Receiving and sending.
        case open
        /// No more input, because the peer ended it.
        case inputEnded
        /// No more input wanted; pending bytes are still being delivered.
        case finishing
        /// Our end of stream is sent; waiting for the peer's.
        case lingering
        case closed
    }

    /// Total bytes received to be echoed.
    private(set) var received: UInt64 = 0
    private var lastProgress: MonotonicTime
    private var owedCount: UInt32 = 0
    private var phase = Phase.open
    private var isDraining = false
    /// Whether the high-water mark was reached and the count has not fallen below half of it since.
    private(set) var isPaused = false
    /// Why it closes or closed; meaningful once `.close` is demanded.
    private(set) var closeCause = EchoServer.CloseReason.peerClosed

    /// A connection that begins now.
    init(at now: MonotonicTime) {
        lastProgress = now
    }

    /// Bytes received and not yet sent back.
    private(set) var owed: Int {
        get { Int(owedCount) }
        set { owedCount = UInt32(newValue) }
    }

    /// Total bytes sent back.
    var sent: UInt64 { received - UInt64(owed) }

    /// Whether bytes that arrive now are discarded: nothing more is echoed.
    var discardsInput: Bool { phase != .open }

    /// Whether it has closed: there are no more demands.
    var isClosed: Bool { phase == .closed }

    /// Whether closing must look to the peer like a failure, because it did not get everything.
    var resetsOnClose: Bool { owed > 0 }

    /// How many bytes may be received at once.
    func allowance(_ rules: EchoRules) -> Int {
        discardsInput ? rules.pendingLimit : rules.pendingLimit - owed
    }

    /// Takes an event and returns what to do from now on.
    @inline(__always)
    mutating func handle(
        _ event: Event,
        at now: MonotonicTime,
        _ rules: EchoRules
    ) -> Demand {
        switch event {
        case .received(let count): return receive(count, now, rules)
        case .sent(let count): return send(count, now, rules)
        default: return handleRare(event, now, rules)
        }
    }

    private mutating func receive(
        _ count: Int,
        _ now: MonotonicTime,
        _ rules: EchoRules
    ) -> Demand {
        guard phase == .open else { return demand }
        lastProgress = now
        owed += count
        received += UInt64(count)
        if owed >= rules.pendingLimit { isPaused = true }
        return demand
    }

    private mutating func send(
        _ count: Int,
        _ now: MonotonicTime,
        _ rules: EchoRules
    ) -> Demand {
        guard phase != .closed, phase != .lingering else { return demand }
        if count > 0 { lastProgress = now }
        owed -= min(count, owed)
        if isPaused, owed < max(rules.pendingLimit / 2, 1) { isPaused = false }
        if owed == 0 {
            if phase == .inputEnded { return close(closeCause) }
            if phase == .finishing { return linger(now) }
        }
        return demand
    }

    private mutating func handleRare(
        _ event: Event,
        _ now: MonotonicTime,
        _ rules: EchoRules
    ) -> Demand {
        guard phase != .closed else { return .close }
        switch event {
        case .endOfInput: return endInput()
        case .failed(let errno): return close(failure: errno)
        case .ready:
            if phase != .lingering { lastProgress = now }
            return demand
        case .drain:
            isDraining = true
            return tick(now, rules)
        case .finish: return phase == .open ? finish(cause: .drained, now) : tick(now, rules)
        case .abort: return close(phase == .lingering ? closeCause : .aborted)
        case .tick: return tick(now, rules)
        case .received, .sent: return demand
        }
    }

    private mutating func endInput() -> Demand {
        if phase == .lingering { return close(closeCause) }
        phase = .inputEnded
        return owed == 0 ? close(closeCause) : demand
    }

    // A peer that resets after our end of stream has still received everything.
    private mutating func close(failure errno: Errno) -> Demand {
        close(phase == .lingering ? closeCause : EchoServer.CloseReason(errno))
    }

    private mutating func tick(_ now: MonotonicTime, _ rules: EchoRules) -> Demand {
        guard let deadline = deadline(rules), now >= deadline else { return demand }
        if phase == .lingering { return close(closeCause) }
        if isDraining, phase == .open, owed == 0 { return finish(cause: .drained, now) }
        guard let idle = rules.idleTimeout, now >= lastProgress + idle else { return demand }
        if phase == .open, owed == 0 { return finish(cause: .idleTimeout, now) }
        return close(.idleTimeout)
    }

    /// Takes a time event; checks the socket before it ends the connection for lack of progress.
    ///
    /// - Parameters:
    ///   - event: the event.
    ///   - now: the time.
    ///   - rules: the numbers.
    ///   - isReady: whether the socket is ready for what is demanded, in which case the server was
    ///     delayed, or has sent on to the peer within a time; zero if that does not matter.
    /// - Returns: what to do from now on.
    mutating func check(
        _ event: Event,
        at now: MonotonicTime,
        _ rules: EchoRules,
        isReady: (_ demand: Demand, _ time: Duration) -> Bool
    ) -> Demand {
        // A drain only waits until nothing more comes.
        let waitsForQuiet = owed == 0 && (isDraining || event == .drain)
        let silence = waitsForQuiet ? .zero : now - lastProgress
        if expires(on: event, at: now, rules), isReady(demand, silence) {
            _ = handle(.ready, at: now, rules)
        }
        return handle(event, at: now, rules)
    }

    private func expires(on event: Event, at now: MonotonicTime, _ rules: EchoRules) -> Bool {
        guard event == .tick || event == .drain, phase != .lingering else { return false }
        var state = self
        if event == .drain { state.isDraining = true }
        guard let deadline = state.deadline(rules) else { return false }
        return now >= deadline
    }

    private mutating func finish(cause: EchoServer.CloseReason, _ now: MonotonicTime) -> Demand {
        guard phase == .open else { return demand }
        closeCause = cause
        phase = .finishing
        return owed == 0 ? linger(now) : demand
    }

    private mutating func linger(_ now: MonotonicTime) -> Demand {
        phase = .lingering
        lastProgress = now
        return [.shutdownSend, .receive]
    }

    private mutating func close(_ cause: EchoServer.CloseReason) -> Demand {
        phase = .closed
        closeCause = cause
        return .close
    }

    /// What to do now, if nothing else has happened.
    var demand: Demand {
        switch phase {
        case .open:
            if owed == 0 { return .receive }
            return isPaused ? .send : [.send, .receive]
        case .inputEnded, .finishing: return .send
        case .lingering: return .receive
        case .closed: return .close
        }
    }

    /// When a `.tick` will have something to do, if nothing else happens first.
    func deadline(_ rules: EchoRules) -> MonotonicTime? {
        switch phase {
        case .closed: return nil
        case .lingering: return lastProgress + rules.lingerTimeout
        case .open where isDraining && owed == 0:
            return lastProgress + min(rules.quietPeriod, rules.idleTimeout ?? rules.quietPeriod)
        default:
            guard let idle = rules.idleTimeout else { return nil }
            return lastProgress + idle
        }
    }
}
