import EchoReactor
import EchoSockets
import EchoWinsock
import Glibc

/// Accepts connections of one listening socket on a message loop: one for each accept message, and
/// again when a pause is over.
///
/// Confined to the loop's thread.
final class MessageAcceptor {
    private let listener: NetworkListener
    private let watchesAddresses: Bool
    private let source: AcceptSource
    private var retry: LoopTimer?
    private var isPaused = false
    private let serve: (consuming AcceptedSocket) -> Void
    private let resumed: () -> Void

    /// Takes over a listening socket.
    ///
    /// - Parameters:
    ///   - socket: the listening socket.
    ///   - handle: its name in messages.
    ///   - context: limits, counts and log.
    ///   - pump: receives the messages.
    ///   - watchesAddresses: whether messages tell as well when the host's addresses change.
    ///   - serve: takes over an admitted connection.
    ///   - resumed: called when it has continued after a pause; it may have closed.
    /// - Throws: `SystemError`.
    init(
        _ socket: ListeningSocket,
        _ handle: SocketHandle,
        _ context: ServingContext,
        _ pump: MessagePump,
        watchesAddresses: Bool,
        serve: @escaping (consuming AcceptedSocket) -> Void,
        resumed: @escaping () -> Void
    ) throws {
        self.serve = serve
        self.resumed = resumed
        listener = try NetworkListener(pump.loop, adopting: socket.take(), as: handle)
        self.watchesAddresses = watchesAddresses
        let waker = pump.loop.waker
        source = AcceptSource(socket, through: listener, context) { waker.wake() }
        retry = try LoopTimer(on: pump.loop) { [unowned self] in resume() }
        let events: NetworkEvents = watchesAddresses ? [.accept, .addressListChange] : .accept
        try listener.select(events, postingTo: pump.queue)
        watchAddresses()
    }

    /// Whether it still accepts, or will again.
    var isOpen: Bool { source.isOpen }

    /// A connection is queued, or was when the message was posted.
    func accept() {
        guard !isPaused else { return }
        // One connection per message: accepting enables the next (AS-11).
        repeat {
            switch source.next() {
            case .serve(let accepted): serve(accepted)
            case .again: break
            case .idle: return keepWatching()
            case .pause(let moment): return pause(until: moment)
            case .closed: return close()
            }
        } while source.seeksEnd
        keepWatching()
    }

    private func pause(until moment: MonotonicTime) {
        isPaused = true
        try? retry?.schedule(after: max(moment - .now, .milliseconds(1)))
    }

    // Without a watch there would never be another message.
    private func keepWatching() {
        guard !listener.isWatched else { return }
        pause(until: source.ranShort(Errno(rawValue: ENOMEM)))
    }

    /// A pause is over, or may be: a connection has ended.
    ///
    /// The accept event is still disabled, so there will be no message.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        retry?.cancel()
        defer { resumed() }
        accept()
        guard !isPaused, isOpen else { return }
        listener.enableAccept()
        keepWatching()
    }

    /// Requests one message when the host's addresses change, if this is the socket that tells
    /// (AS-13).
    func watchAddresses() {
        if watchesAddresses { try? listener.armAddressListChange() }
    }

    /// Accepts what is queued, then closes.
    func drain() {
        source.drain()
        isPaused = false
        accept()
    }

    /// Closes the socket.
    func close() {
        retry?.cancel()
        source.close()
    }
}

extension NetworkListener: ConnectionSource {
    var isOpen: Bool { !isClosed }

    func accept(blocking: Bool) -> AcceptOutcome { isClosed ? .nothing : accept() }
}
