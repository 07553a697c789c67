import EchoSockets
import EchoWinsock
import Glibc

/// What a worker needs of each of its connections.
protocol ServedConnection: AnyObject {
    /// Who is at the other end.
    var peer: Peer { get }
    /// When it began.
    var beginning: Beginning { get }
    /// Where the worker keeps it.
    var place: SocketHandle { get set }
    /// The rules' account.
    var state: EchoState { get }

    /// Asks the rules what time has brought, and does what they demand.
    ///
    /// - Parameters:
    ///   - event: what to tell them.
    ///   - worker: the thread that serves it.
    func check(_ event: EchoState.Event, _ worker: WorkerState)
}

/// One admitted connection: who it is from, and its echo rules.
///
/// Each I/O model adds how it is told what happens to the socket.
class Connection: ServedConnection {
    /// Who is at the other end, and under which address it is counted.
    let peer: Peer
    /// When it began.
    final let beginning: Beginning
    // The rules and the bytes owed. Used by one thread, and never from within a use: a run-time
    // check of that would cost a tenth of an echo.
    @exclusivity(unchecked) private final var echo: ReadinessEcho
    /// What the rules demanded last, and the model is doing.
    final var demand = EchoState.Demand.receive
    final var place = SocketHandle.none

    /// A connection that begins now.
    init(peer: Peer, at now: MonotonicTime) {
        self.peer = peer
        beginning = Beginning(at: now)
        unsafe echo = ReadinessEcho(at: now)
    }

    /// Whether the socket is ready for what is demanded, or has been, and nobody has got to it, or
    /// has sent on to the peer in a time without other progress.
    func isReady(for demand: EchoState.Demand, after silence: Duration) -> Bool { false }

    final var state: EchoState { unsafe echo.state }

    /// Whether its next turn is likely to be long; see ``LongTurns``.
    final var isBulk: Bool { unsafe echo.isBulk }

    final func check(_ event: EchoState.Event, _ worker: WorkerState) {
        apply(unsafe echo.check(event, worker, isReady: isReady))
    }

    /// Receives from a stream and sends back; see ``ReadinessEcho/readable(_:_:)``.
    final func readable<Stream: ByteStream & ~Copyable>(
        _ stream: borrowing Stream,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        unsafe echo.readable(stream, worker)
    }

    /// Sends what is owed; see ``ReadinessEcho/writable(_:_:)``.
    final func writable<Stream: ByteStream & ~Copyable>(
        _ stream: borrowing Stream,
        _ worker: WorkerState
    ) -> EchoState.Demand {
        unsafe echo.writable(stream, worker)
    }

    /// Tells the rules of an event that is not a transfer.
    final func handle(_ event: EchoState.Event, _ worker: WorkerState) -> EchoState.Demand {
        unsafe echo.handle(event, worker)
    }

    /// Does what the rules demand.
    ///
    /// After `.close` the connection has left its worker.
    func apply(_ demand: EchoState.Demand) {}
}

/// A connection whose socket its model drives by itself.
class SocketConnection: Connection {
    // The socket; taken when the connection closes. Nothing that it is lent to closes it.
    @exclusivity(unchecked) private final var socket: Socket?

    /// Takes over an accepted socket.
    init(_ peer: Peer, _ socket: consuming Socket, at now: MonotonicTime) {
        unsafe self.socket = consume socket
        super.init(peer: peer, at: now)
    }

    override final func isReady(for demand: EchoState.Demand, after silence: Duration) -> Bool {
        switch unsafe socket {
        case .some(let open): Socket.isReady(open.number, for: demand, after: silence)
        case .none: false
        }
    }

    /// The socket can be read: receives and sends back.
    final func readable(_ worker: WorkerState) -> EchoState.Demand {
        switch unsafe socket {
        case .some(let open): readable(open, worker)
        case .none: .close
        }
    }

    /// The socket can be written: sends what is owed.
    final func writable(_ worker: WorkerState) -> EchoState.Demand {
        switch unsafe socket {
        case .some(let open): writable(open, worker)
        case .none: .close
        }
    }

    /// Lends the socket to `body`; `nil` once it is closed.
    ///
    /// Here, because a subclass that looks into the optional itself is never freed in debug builds
    /// (Swift 6.3).
    final func withSocket<Result, Failure: Error>(
        _ body: (borrowing Socket) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        switch unsafe socket {
        case .some(let open): try body(open)
        case .none: nil
        }
    }

    /// Closes the socket, with a reset if the peer did not get everything.
    final func closeSocket() {
        if state.resetsOnClose { unsafe socket?.setResetOnClose() }
        unsafe socket = nil
    }
}

extension EchoState.Demand {
    /// The events of poll(2) to wait for.
    var pollEvents: CInt {
        var events: CInt = 0
        if contains(.receive) { events |= CInt(POLLIN) }
        if contains(.send) { events |= CInt(POLLOUT) }
        return events
    }
}

extension Socket {
    /// Whether anything of what is demanded can be done now, where an end or an error counts as
    /// well; or whether bytes that the socket took before have gone on to the peer since.
    ///
    /// By number, because the rules ask while the connection itself is being changed.
    ///
    /// - Parameters:
    ///   - number: the socket's descriptor.
    ///   - demand: what is demanded.
    ///   - silence: the time without other progress.
    /// - Returns: whether the connection is not to be ended yet.
    static func isReady(
        _ number: CInt,
        for demand: EchoState.Demand,
        after silence: Duration
    ) -> Bool {
        let events = demand.pollEvents
        var entry = pollfd(fd: number, events: Int16(events), revents: 0)
        if unsafe Glibc.poll(&entry, 1, 0) != 0 { return true }
        // A peer may read what the socket holds long before there is room for more.
        return hasSent(number, within: silence)
    }
}
