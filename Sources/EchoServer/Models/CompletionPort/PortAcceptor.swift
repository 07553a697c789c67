import EchoProactor
import EchoSockets
import EchoWinsock
import Glibc

/// Accepts connections of one listening socket by operations posted ahead, one at a time
/// (`AcceptEx`).
///
/// Used by one thread at a time; does not wait.
final class PortAcceptor {
    private let listener: PostedListener
    private let source: AcceptSource
    /// When it wants to be looked at again.
    private(set) var due: MonotonicTime?

    /// Takes over a listening socket.
    ///
    /// - Parameters:
    ///   - socket: where connections come from.
    ///   - port: where its packets go.
    ///   - context: limits, counts and log.
    ///   - retry: called when a pause may have ended early, on any thread.
    /// - Throws: why the socket cannot be watched.
    init(
        _ socket: ListeningSocket,
        _ port: CompletionPort,
        _ context: ServingContext,
        retry: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        listener = try PostedListener(socket, port)
        source = AcceptSource(socket, through: listener, context, retry: retry)
    }

    /// Whether it still accepts, or has accepted what is not served yet.
    var isOpen: Bool { source.isOpen || listener.isPosted }

    /// Posts the first operation.
    func begin() {
        if due == nil { listener.post() }
    }

    /// Whether a packet is of its operation (CP-10).
    func owns(_ packet: Packet) -> Bool { packet.socket == listener.handle }

    /// The operation has completed.
    func completed(_ packet: Packet, _ serve: (consuming AcceptedSocket) -> Void) {
        switch listener.take(packet) {
        case .some(let outcome): advance(source.next(outcome), serve)
        case .none: advance(source.next(), serve)
        }
    }

    /// A pause may be over: goes on.
    func resume(_ serve: (consuming AcceptedSocket) -> Void) {
        guard due != nil else { return }
        due = nil
        advance(source.next(), serve)
    }

    // One for one operation, unless the queue is to be found empty.
    private func advance(
        _ first: consuming AcceptSource.Step,
        _ serve: (consuming AcceptedSocket) -> Void
    ) {
        var step = first
        while true {
            switch consume step {
            case .serve(let accepted): serve(accepted)
            case .again: break
            case .idle: return listener.post()
            case .pause(let moment):
                due = moment
                return
            case .closed: return
            }
            guard source.seeksEnd else { return listener.post() }
            step = source.next()
        }
    }

    /// Goes on if a pause is over.
    func check(_ now: MonotonicTime, _ serve: (consuming AcceptedSocket) -> Void) {
        if let moment = due, moment <= now { resume(serve) }
    }

    /// Accepts what is queued, then closes.
    func drain(_ serve: (consuming AcceptedSocket) -> Void) {
        source.drain()
        due = nil
        // An operation that waits is called back; its packet has the rest accepted.
        if listener.isPosted { return listener.cancel() }
        advance(source.next(), serve)
    }

    /// Closes the socket.
    func close() {
        due = nil
        source.close()
    }
}

/// A listening socket of a port: accepts by an operation, or at once.
private final class PostedListener: ConnectionSource {
    let handle: SocketHandle
    private let port: CompletionPort
    private(set) var isOpen = true
    /// Whether the operation has been posted and what it brought has not been taken.
    private(set) var isPosted = false

    init(_ socket: ListeningSocket, _ port: CompletionPort) throws(SystemError) {
        self.port = port
        handle = try port.adopt(socket.take(), owner: socket)
    }

    var hasQueue: Bool { port.hasQueue(on: handle) }

    /// Posts the operation, unless it is under way.
    func post() {
        guard isOpen, !isPosted else { return }
        isPosted = true
        if case .refused = port.accept(on: handle) { (isOpen, isPosted) = (false, false) }
    }

    /// Takes what the operation has brought; `nil` if it was called back.
    func take(_ packet: Packet) -> AcceptOutcome? {
        isPosted = false
        return packet.error?.rawValue == ECANCELED ? nil : accept(blocking: false)
    }

    /// Has the operation complete without a connection, if it waits for one.
    func cancel() {
        port.cancelAll(on: handle)
    }

    func accept(blocking: Bool) -> AcceptOutcome { port.nextConnection(on: handle) }

    func close() {
        isOpen = false
        port.close(handle)
    }
}
