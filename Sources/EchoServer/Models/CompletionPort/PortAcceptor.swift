import EchoProactor
import EchoSockets
import Glibc

/// Accepts connections of one listening socket by operations posted ahead, one at a time
/// (`AcceptEx`).
///
/// Used by one thread at a time; does not wait.
final class PortAcceptor {
    private let port: CompletionPort
    private let listening: PostedListener
    private let source: AcceptSource
    private var notBefore: MonotonicTime?
    private var emptyIfPendingAt: MonotonicTime?
    private var lastCallAt: MonotonicTime?
    private var isClosed = false

    /// Takes over a listening socket.
    ///
    /// - Parameters:
    ///   - socket: where connections come from.
    ///   - port: where its packets go.
    ///   - key: what they carry (CP-10).
    ///   - context: limits, counts and log.
    ///   - wakeup: signalled when a pause may have come to an end early.
    /// - Throws: why the socket cannot be watched.
    init(
        _ socket: ListeningSocket,
        _ port: CompletionPort,
        key: UInt64,
        _ context: ServingContext,
        _ wakeup: Wakeup
    ) throws(SystemError) {
        self.port = port
        listening = try PostedListener(socket, port, key: key)
        source = AcceptSource(listening, context, wakeup: wakeup)
    }

    /// Whether it still accepts, or has accepted what is not served yet.
    var isOpen: Bool {
        listening.isOpen
            || !isClosed
                && (listening.isPosted || listening.hasOutcome || source.holdsConnection)
    }

    /// When it wants to be looked at again.
    var due: MonotonicTime? {
        guard isOpen else { return nil }
        return [notBefore, emptyIfPendingAt, lastCallAt].compactMap { $0 }.min()
    }

    /// The operation has completed.
    func completed(_ serve: (consuming AcceptedSocket) -> Void) {
        listening.take()
        if notBefore == nil { advance(serve) }
    }

    /// A pause may be over: tries again.
    func resume(_ serve: (consuming AcceptedSocket) -> Void) {
        guard notBefore != nil else { return }
        notBefore = nil
        emptyIfPendingAt = .coarse + .milliseconds(200)
        advance(serve)
    }

    /// Posts the first operation, or goes on where a pause ended.
    func advance(_ serve: (consuming AcceptedSocket) -> Void) {
        while isOpen, listening.hasOutcome || source.holdsConnection {
            switch source.step() {
            case .serve(let accepted): serve(accepted)
            case .next: break
            case .empty: break
            case .wait(let moment):
                notBefore = moment
                emptyIfPendingAt = nil
                return
            }
        }
        listening.post()
    }

    /// Does what is due by the clock.
    func check(_ now: MonotonicTime, _ serve: (consuming AcceptedSocket) -> Void) {
        if let moment = notBefore, moment <= now { resume(serve) }
        if let moment = emptyIfPendingAt, moment <= now { lookForEnd(now) }
        guard let moment = lastCallAt, moment <= now, notBefore == nil else { return }
        if listening.isWaiting, !listening.hasQueue {
            close()
        } else {
            lastCallAt = now + .milliseconds(10)
        }
    }

    private func lookForEnd(_ now: MonotonicTime) {
        if listening.isWaiting { source.endShortage() }
        emptyIfPendingAt = source.isShort ? now + .milliseconds(200) : nil
    }

    /// Accepts what is queued, then closes.
    ///
    /// Inherited sockets keep their queue for the next owner; what has left it is served.
    func drain() {
        if listening.isInherited { return listening.close() }
        if lastCallAt == nil { lastCallAt = .coarse + .milliseconds(20) }
    }

    /// Closes the socket.
    func close() {
        isClosed = true
        listening.close()
    }
}

/// A listening socket with an accept operation: what the operation brought is what a call to
/// accept gives.
private final class PostedListener: ConnectionSource {
    let address: SocketAddress
    let isInherited: Bool
    private let port: CompletionPort
    private let handle: SocketHandle
    // Open as long as the handle.
    private let number: CInt
    private let operation = EchoProactor.Operation()
    private var outcome: AcceptOutcome?
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
        number = socket.number
        self.port = port
        guard let taken = socket.take() else {
            throw SystemError(call: "listen", errno: Errno(rawValue: EBADF))
        }
        handle = try port.associate(taken, key: key)
    }

    var hasOutcome: Bool {
        switch outcome {
        case .some: true
        case .none: false
        }
    }

    /// Whether the operation is under way: nothing is queued that it could take.
    var isWaiting: Bool { operation.isPending }

    /// Whether a connection is queued in the kernel, or has been brought by the operation.
    var hasQueue: Bool {
        if hasOutcome { return true }
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, 0) == 1
    }

    /// Takes what the operation has brought.
    func take() {
        guard !operation.isPending else { return }
        isPosted = false
        switch operation.result {
        case .success:
            if let socket = operation.takeAccepted() {
                outcome = .accepted(socket, peer: operation.peer ?? .unix(""))
            }
        case .failure(let errno) where errno.rawValue != ECANCELED: outcome = AcceptOutcome(errno)
        default: break
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

    func accept(blocking: Bool) -> AcceptOutcome {
        outcome.take() ?? .nothing
    }

    func close() {
        isOpen = false
        port.close(handle)
    }
}
