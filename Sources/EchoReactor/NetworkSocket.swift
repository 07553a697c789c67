package import EchoSockets
import EchoWinsock

/// A stream socket whose events can be selected, as messages or as an event object's signal.
///
/// Bytes are read ahead: the loop itself receives once, at most 16 KiB, when the kernel reports
/// some and none are left from before. So an end is told from data without a further system call,
/// and an echo costs a wait, a receive and a send.
///
/// Confined to its loop's thread; not Sendable.
package final class NetworkSocket: SelectableSocket {
    /// How far a connection is.
    package enum Phase: Sendable {
        /// Not connected; ``NetworkSocket/connect(to:)`` can be called.
        case unconnected
        /// A connection attempt is under way.
        case connecting
        /// Connected, or was.
        case connected
    }

    var ahead = ReadAhead()
    var connectionPhase: Phase
    // The stream's end or the connection's error has been read.
    var hasEnded = false
    // A send did not fit, and there has not been room since.
    var isSendBlocked = false
    private var socket: Socket?
    // Whether the watch for bytes is added.
    var isReading = false
    // The descriptor's number, -1 once closed: sending and receiving must not cost run-time checks.
    private(set) var number: CInt
    var readWatch: Watch?
    var rareWatches: RareWatches?

    /// Takes over a non-blocking socket.
    ///
    /// - Parameters:
    ///   - loop: the loop whose thread this is.
    ///   - socket: the socket; closed with this object.
    ///   - phase: how far it is.
    /// - Throws: `descriptorOutOfRange` if the loop's method is `select` (PF-1).
    package init(
        _ loop: EventLoop,
        adopting socket: consuming Socket,
        phase: Phase = .connected
    ) throws(ReactorError) {
        number = socket.number
        self.socket = consume socket
        connectionPhase = phase
        super.init(loop)
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        readWatch = unsafe try Watch(
            loop,
            descriptor: number,
            .read,
            persistent: true,
            context: context,
            callback: socketReadable
        )
        if phase == .connecting { try armWrite() }
    }

    deinit {
        releaseResources()
    }

    /// How far its connection is.
    package var phase: Phase { connectionPhase }

    /// Lets options be read and set; `nil` once closed.
    ///
    /// Receive and send through this object only.
    package func withSocket<Result: ~Copyable, Failure: Error>(
        _ body: (borrowing Socket) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard socket != nil else { return nil }
        return try socket?.lend(to: body)
    }

    /// Shuts down a direction.
    ///
    /// The corresponding function is `shutdown`.
    ///
    /// Shutting down receiving makes the end of the stream readable, and so gives `close`; Winsock
    /// gives nothing.
    package func shutdown(_ direction: Socket.Direction) {
        socket?.shutdown(direction)
    }

    /// Closes it so that the peer sees a reset, and cannot mistake the end for a complete one.
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

    /// Gives the read-ahead's buffer back.
    func releaseAhead() {
        loop.readAhead.release(ahead)
        ahead = ReadAhead()
    }

    override func selectionChanged() throws(ReactorError) {
        try updateReading()
        if isSendBlocked && selection.contains(.write) { try armWrite() }
        try updateUrgent()
    }

    override func standingConditions() -> NetworkEvents {
        guard connectionPhase == .connected else { return [] }
        var events: NetworkEvents = selectsEvent ? .connect : []  // ES-6
        if !ahead.isEmpty { events.insert(.read) }
        if hasEnded && ahead.isEmpty { events.insert(.close) }
        if selection.contains(.write) && isSendable { events.insert(.write) }
        if selection.contains(.outOfBand) && hasUrgentByte { events.insert(.outOfBand) }
        return events
    }
}
