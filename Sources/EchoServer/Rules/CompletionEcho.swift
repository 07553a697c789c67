import EchoSockets

/// One connection's echo rules together with the bytes it owes, for operations that are posted
/// ahead: what has completed goes in, what is to be posted comes out.
///
/// No input or output. At most one receive and one send are under way. Bytes usually are sent from
/// where they were received; only what the transport did not take at once is kept here, and what is
/// received meanwhile behind it (OV-7, SB-5).
struct CompletionEcho: ~Copyable {
    /// What to do next.
    ///
    /// Each event gives one; ``next(_:)`` gives what is left.
    @safe enum Action {
        /// Post a receive of so many bytes at most.
        case receive(atMost: Int)
        /// Post a send of these bytes: of what was just received, or of what was kept.
        case send(UnsafeRawBufferPointer)
        /// End the stream.
        case shutDownSending
        /// Close, with a reset if the peer did not get everything; nothing follows.
        case close(resetting: Bool)
        /// Wait for what is under way.
        case nothing
    }

    /// What has been received and not yet been sent; on the heap only while there is some.
    ///
    /// Part of the value, and for whoever has that.
    private final class Kept: @unchecked Sendable {
        /// What is being sent: it lies still until all of it has been (OV-6).
        var underWay = EchoBuffer()
        /// How much of that one send has to take.
        var sending = 0
        /// What was received behind it.
        var backlog = EchoBuffer()
        /// What the rules have been told of the send under way.
        var credited = 0
    }

    /// The most bytes of what was kept that one send takes: what is sent counts when it completes,
    /// and reading goes on when enough has been.
    private static let sendSize = 64 * 1024

    private(set) var state: EchoState
    private var kept: Kept?
    /// Whether a receive is under way.
    private(set) var isReceiving = false
    private var isSending = false
    private var owesShutdown = false
    private var hasClosed = false
    private var isPauseNoted = false

    /// The echo of a connection that begins now.
    init(at now: MonotonicTime) {
        state = EchoState(at: now)
    }

    // MARK: Events

    /// A receive has brought bytes.
    mutating func received(
        _ bytes: UnsafeRawBufferPointer,
        at now: MonotonicTime,
        _ rules: EchoRules
    ) -> Action {
        isReceiving = false
        let discards = state.discardsInput
        note(state.handle(.received(bytes.count), at: now, rules))
        guard !discards else { return next(rules) }
        if isSending {
            keep { unsafe $0.backlog.append(bytes) }
            return next(rules)
        }
        isSending = true
        return unsafe .send(bytes)
    }

    /// A send has been posted, and what the transport did not take of it at once must lie still.
    ///
    /// - Returns: where these bytes lie from now on.
    mutating func keepUnsent(_ rest: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        unsafe keep { kept in
            guard kept.underWay.isEmpty else { return unsafe rest }
            unsafe kept.underWay.append(rest)
            kept.sending = rest.count
            return unsafe kept.underWay.withBytes { unsafe $0 }
        }
    }

    /// So many bytes in all of the send under way have been taken by the transport.
    ///
    /// - Returns: how many more than it was told of before.
    mutating func progressed(
        to total: Int,
        at now: MonotonicTime,
        _ rules: EchoRules
    ) -> Int {
        let count = uncredited(of: total)
        guard isSending, count > 0 else { return 0 }
        keep { $0.credited = total }
        note(state.handle(.sent(count), at: now, rules))
        return count
    }

    /// How many bytes of a send that has completed with so many it has not been told of yet.
    func uncredited(of total: Int) -> Int { total - (kept?.credited ?? 0) }

    /// The send under way has completed, with so many bytes.
    mutating func sent(_ total: Int, at now: MonotonicTime, _ rules: EchoRules) -> Action {
        isSending = false
        note(state.handle(.sent(uncredited(of: total)), at: now, rules))
        guard let kept else { return next(rules) }
        kept.underWay.removeFirst(kept.sending)
        (kept.sending, kept.credited) = (0, 0)
        if kept.underWay.isEmpty { swap(&kept.underWay, &kept.backlog) }
        if kept.underWay.isEmpty { self.kept = nil }
        return next(rules)
    }

    /// The peer has ended its stream.
    mutating func endOfInput(at now: MonotonicTime, _ rules: EchoRules) -> Action {
        isReceiving = false
        note(state.handle(.endOfInput, at: now, rules))
        return next(rules)
    }

    /// An operation has failed, at its issue or at its completion.
    mutating func failed(_ errno: Errno, at now: MonotonicTime, _ rules: EchoRules) -> Action {
        note(state.handle(.failed(errno), at: now, rules))
        return next(rules)
    }

    /// Takes an event that time has brought; see ``EchoState/check(_:at:_:isReady:)``.
    mutating func check(
        _ event: EchoState.Event,
        at now: MonotonicTime,
        _ rules: EchoRules,
        isReady: (EchoState.Demand, Duration) -> Bool
    ) -> Action {
        note(state.check(event, at: now, rules, isReady: isReady))
        return next(rules)
    }

    // MARK: What follows

    /// What to do next, if nothing has happened since the last answer was acted on.
    mutating func next(_ rules: EchoRules) -> Action {
        guard !hasClosed else { return .nothing }
        let demand = state.demand
        if demand.contains(.close) {
            hasClosed = true
            let resets = state.resetsOnClose
            kept = nil
            return .close(resetting: resets)
        }
        if owesShutdown {
            owesShutdown = false
            return .shutDownSending
        }
        if !isSending, let kept {
            isSending = true
            kept.sending = min(Self.sendSize, kept.underWay.count)
            return unsafe kept.underWay.withBytes {
                unsafe .send(UnsafeRawBufferPointer(rebasing: $0[..<kept.sending]))
            }
        }
        guard demand.contains(.receive), !isReceiving else { return .nothing }
        isReceiving = true
        return .receive(atMost: state.allowance(rules))
    }

    /// Whether it has closed: what comes late means nothing any more.
    var isClosed: Bool { hasClosed }

    /// Whether the high-water mark has been reached since this was asked last.
    mutating func hasPaused() -> Bool {
        defer { isPauseNoted = state.isPaused }
        return state.isPaused && !isPauseNoted
    }

    /// What the peer is owed, the oldest first: what the transport has taken of the send under way
    /// is what ``progressed(to:at:_:)`` has told.
    var owed: [UInt8] {
        guard let kept else { return [] }
        let underWay = unsafe kept.underWay.withBytes { unsafe [UInt8]($0) }
        return underWay.suffix(max(0, state.owed - kept.backlog.count))
            + (unsafe kept.backlog.withBytes { unsafe [UInt8]($0) })
    }

    private mutating func note(_ demand: EchoState.Demand) {
        if demand.contains(.shutdownSend) { owesShutdown = true }
    }

    private mutating func keep<Result>(_ body: (Kept) -> Result) -> Result {
        let kept = self.kept ?? Kept()
        self.kept = kept
        return body(kept)
    }
}
