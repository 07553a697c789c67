package import EchoSockets
package import EchoWinsock
import Glibc

/// A stream socket whose events can be selected, as messages or as an event object's signal.
///
/// Bytes are read ahead: the loop itself receives once, at most 16 KiB, when the kernel reports
/// some and none are left from before. So it distinguishes an end from data without a further
/// system call, and an echo costs a wait, a receive and a send. While bytes are spliced
/// into a pipe, the loop asks how many there are instead.
///
/// Never blocks, and cannot be made to (CO-2). Confined to its loop's thread; not Sendable.
package final class NetworkSocket: SelectableSocket {
    /// The phase of a connection.
    package enum Phase: Sendable {
        /// Not connected; ``NetworkSocket/connect(to:)`` can be called.
        case unconnected
        /// A connection attempt is in progress.
        case connecting
        /// Connected, or was.
        case connected
    }

    // The larger ones first, and no gaps: there are many thousand of these.
    var ahead = ReadAhead()
    private(set) var readWatch: Watch?
    var rareWatches: RareWatches?
    private var socket: Socket?
    var connectionPhase: Phase
    // The stream's end or the connection's error has been read.
    var hasEnded = false
    // A send did not fit, and there has not been room since.
    var isSendBlocked = false
    // The descriptor's number, -1 once closed: sending and receiving then need no run-time checks.
    private(set) var number: CInt
    // Our own end of stream has been sent.
    private(set) var hasShutDownSending = false
    // Whether the watch for bytes is added.
    var isReading = false
    // The application moves its bytes by splice(2), which cannot reach what was read ahead.
    var isSpliced = false

    /// Adopts a non-blocking socket.
    ///
    /// - Parameters:
    ///   - loop: the loop whose thread this is.
    ///   - socket: the socket; closed with this object.
    ///   - handle: its name in messages.
    ///   - phase: its current phase.
    /// - Throws: `EMFILE` if the loop's method is `select` and the number too large (PF-1).
    package init(
        _ loop: EventLoop,
        adopting socket: consuming Socket,
        as handle: SocketHandle = .none,
        phase: Phase = .connected
    ) throws(SystemError) {
        number = socket.number
        self.socket = consume socket
        connectionPhase = phase
        super.init(loop, handle)
        readWatch = try makeReadWatch()
        if phase == .connecting { try armWrite() }
    }

    deinit {
        releaseResources()
    }

    /// The phase of its connection.
    package var phase: Phase { connectionPhase }

    /// Gives access to its options; `nil` once closed.
    func withSocket<Result: ~Copyable, Failure: Error>(
        _ body: (borrowing Socket) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard socket != nil else { return nil }
        return try socket?.lend(to: body)
    }

    /// The events of poll(2) that hold now, including what was read ahead.
    ///
    /// One system call, unless bytes are requested and some were read ahead.
    package func ready(for events: CInt) -> CInt {
        if events & CInt(POLLIN) != 0, !ahead.isEmpty { return CInt(POLLIN) }
        return withSocket { $0.wait(for: events, atMost: 0) } ?? 0
    }

    /// Whether bytes have gone on to the peer lately; see `Socket.hasSent`.
    package func hasSent(within span: Duration) -> Bool {
        withSocket { Socket.hasSent($0.number, within: span) } ?? false
    }

    /// Shuts down a direction.
    ///
    /// The corresponding function is `shutdown`.
    ///
    /// Shutting down receiving makes the end of the stream readable, and so raises `close`; Winsock
    /// raises nothing.
    package func shutdown(_ direction: Socket.Direction) {
        if direction != .receiving { hasShutDownSending = true }
        socket?.shutdown(direction)
    }

    /// Closes it so that the peer sees a reset, and cannot mistake this for an orderly end.
    package func reset() {
        socket?.setResetOnClose()
        close()
    }

    override func releaseResources() {
        readWatch = nil
        rareWatches = nil
        releaseAhead()
        if let ended = socket.take() { loop.closing.close(Descriptor(adopting: ended.release())) }
        number = -1
    }

    /// Returns the read-ahead buffer.
    func releaseAhead() {
        loop.readAhead.release(ahead)
        ahead = ReadAhead()
    }

    override func selectionChanged() throws(SystemError) {
        try updateReading()
        if isSendBlocked && selection.contains(.write) { try armWrite() }
        try updateUrgent()
    }

    // Asks the kernel once for everything selected: what holds at the same moment is reported in
    // order (AS-9), and what was received before the selection is reported by the selection (ES-5).
    override func standingConditions() -> NetworkEvents {
        guard connectionPhase == .connected else { return [] }
        var events: NetworkEvents = selectsEvent ? .connect : []  // ES-6
        let interest = standingInterest
        let ready = interest == 0 ? 0 : withSocket { $0.wait(for: interest, atMost: 0) } ?? 0
        if ready & CInt(POLLOUT) != 0 { events.insert(.write) }
        if ready & CInt(POLLPRI) != 0 { events.insert(.outOfBand) }
        if ready & CInt(POLLIN) != 0, isReading, ahead.isEmpty { events.formUnion(fillAhead()) }
        if !ahead.isEmpty { events.insert(.read) }
        if hasEnded && ahead.isEmpty { events.insert(.close) }
        return events
    }

    private var standingInterest: CInt {
        var interest: CInt = 0
        if isReading { interest |= CInt(POLLIN) }
        if selection.contains(.write) { interest |= CInt(POLLOUT) }
        if selection.contains(.outOfBand), !isUrgentInline { interest |= CInt(POLLPRI) }
        return interest
    }

    /// Receives once, ahead of the application.
    ///
    /// - Returns: the events to report.
    func fillAhead() -> NetworkEvents {
        var filled = ReadAhead()
        switch loop.readAhead.receive(from: number, into: &filled) {
        case .bytes:
            ahead = filled
            return .read
        case .endOfStream: return noteEnd(nil)
        case .failed(let error): return noteEnd(error)
        case .wouldBlock, .interrupted, nil: return []
        }
    }

    /// Notes that nothing more will be received (PF-6).
    ///
    /// - Returns: the events to report.
    func noteEnd(_ error: Errno?) -> NetworkEvents {
        hasEnded = true
        if closeError.errno == nil { closeError = CompactErrno(error) }
        if isReading { pauseReading() }
        return .close
    }
}

extension Socket {
    /// Calls `body` with the socket.
    func lend<Result: ~Copyable, Failure: Error>(
        to body: (borrowing Socket) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(self)
    }
}
