import EchoProactor
import EchoSockets
import Glibc

/// Accepts connections of one listening socket by operations posted ahead, one at a time
/// (`AcceptEx`).
///
/// Used by one thread at a time; does not wait.
final class PortAcceptor {
    private let listening: PostedListener
    private let source: AcceptSource
    /// When it wants to be looked at again.
    private(set) var due: MonotonicTime?

    /// Takes over a listening socket.
    ///
    /// - Parameters:
    ///   - socket: where connections come from.
    ///   - port: where its packets go.
    ///   - key: what they carry (CP-10).
    ///   - context: limits, counts and log.
    ///   - retry: called when a pause may have come to an end early, on any thread.
    /// - Throws: why the socket cannot be watched.
    init(
        _ socket: ListeningSocket,
        _ port: CompletionPort,
        key: UInt64,
        _ context: ServingContext,
        retry: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        listening = try PostedListener(socket, port, key: key)
        source = AcceptSource(listening, context, retry: retry)
    }

    /// Whether it still accepts, or has accepted what is not served yet.
    var isOpen: Bool { source.isOpen || listening.isPosted }

    /// Posts the first operation.
    func begin() {
        if due == nil { listening.post() }
    }

    /// The operation has completed.
    func completed(_ serve: (consuming AcceptedSocket) -> Void) {
        switch listening.take() {
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
            case .idle: return listening.post()
            case .pause(let moment):
                due = moment
                return
            case .closed: return
            }
            guard source.seeksEnd else { return listening.post() }
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
        if listening.isPosted { return listening.cancel() }
        advance(source.next(), serve)
    }

    /// Closes the socket.
    func close() {
        due = nil
        source.close()
    }
}

/// A listening socket with an accept operation: what the operation brought is what a call to
/// accept gives.
private final class PostedListener: ConnectionSource {
    let address: SocketAddress
    let isInherited: Bool
    private let port: CompletionPort
    private let handle: SocketHandle
    private let operation = EchoProactor.Operation()
    private(set) var isOpen = true
    /// Whether the operation has been posted and what it brought has not been taken.
    private(set) var isPosted = false

    init(
        _ socket: ListeningSocket,
        _ port: CompletionPort,
        key: UInt64
    ) throws(SystemError) {
        address = socket.address
        isInherited = socket.isInherited
        self.port = port
        guard let taken = socket.take() else {
            throw SystemError(call: "listen", errno: Errno(rawValue: EBADF))
        }
        handle = try port.associate(taken, key: key)
    }

    var hasQueue: Bool { port.hasQueue(handle) }

    /// Takes what the operation has brought; `nil` if it was called back.
    func take() -> AcceptOutcome? {
        isPosted = false
        switch operation.result {
        case .success:
            guard let socket = operation.takeAccepted() else { return nil }
            return .accepted(socket, peer: operation.peer ?? .unix(""))
        case .failure(let errno) where errno.rawValue != ECANCELED: return AcceptOutcome(errno)
        default: return nil
        }
    }

    /// Posts the operation, unless it is under way.
    func post() {
        guard isOpen, !operation.isPending else { return }
        isPosted = true
        if case .refused = port.accept(operation, on: handle) {
            (isOpen, isPosted) = (false, false)
        }
    }

    /// Has the operation complete without a connection, if it waits for one.
    func cancel() {
        port.cancel(operation, on: handle)
    }

    func accept(blocking: Bool) -> AcceptOutcome { port.accept(on: handle) }

    func close() {
        isOpen = false
        port.close(handle)
    }
}
