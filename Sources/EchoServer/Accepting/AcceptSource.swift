import EchoSockets
import Glibc

/// Accepts from one listening socket by the rules of admission: limits, the accept condition,
/// deferral, shortages of descriptors, and shutdown.
///
/// All of an acceptor's decisions are made here; its driver only waits as instructed. Confined to
/// one thread; does not wait.
final class AcceptSource {
    /// What to do next.
    enum Step: ~Copyable {
        /// Serve this connection, then continue.
        case serve(AcceptedSocket)
        /// This connection needs no service; continue.
        case again
        /// No connection is queued: wait until the socket reports one.
        case idle
        /// Not now: continue at that moment, or earlier if the retry signal comes.
        case pause(until: MonotonicTime)
        /// No more connections will be accepted.
        case closed
    }

    private let socket: ListeningSocket
    private let listening: any ConnectionSource
    private let context: ServingContext
    private let retry: RetrySignal
    private let blocking: Bool
    private let canServe: @Sendable (CInt) -> Bool
    /// Accepted and deferred: first in line.
    private var held: AcceptedSocket?
    // Whether the log already has the beginning of the deferred connection.
    private var isHeldTold = false
    /// Connections that an engine has accepted and that await a decision.
    private var brought: AcceptOutcome?
    private var isDraining = false
    private var shortage = Shortage()
    private var losses = 0
    /// How many connections may be lost in a row before the fault is no longer taken to be theirs.
    private static let lossLimit = 64

    /// - Parameters:
    ///   - socket: the socket.
    ///   - listening: what accepts, if that is not the socket itself.
    ///   - context: limits, counts and log.
    ///   - blocking: whether the model needs blocking sockets.
    ///   - canServe: whether the model can serve a socket with that descriptor.
    ///   - retry: called when a pause may have ended early, on any thread.
    init(
        _ socket: ListeningSocket,
        through listening: (any ConnectionSource)? = nil,
        _ context: ServingContext,
        blocking: Bool = false,
        canServe: @escaping @Sendable (CInt) -> Bool = { _ in true },
        retry: @escaping @Sendable () -> Void
    ) {
        self.socket = socket
        self.listening = listening ?? socket
        self.context = context
        self.blocking = blocking
        self.canServe = canServe
        self.retry = RetrySignal(retry)
    }

    /// Whether it may still produce a connection.
    var isOpen: Bool { listening.isOpen || isHolding || hasBrought }

    /// Whether to continue until no connection is queued, rather than wait after each: a drain and
    /// a shortage end when the queue was found empty, which the socket does not report.
    var seeksEnd: Bool { isDraining || shortage.isOngoing }

    private var isHolding: Bool {
        switch held {
        case .some: true
        case .none: false
        }
    }

    private var hasBrought: Bool {
        switch brought {
        case .some: true
        case .none: false
        }
    }

    /// Accepts one connection, if there is one and the rules allow it.
    func next() -> Step {
        if let held = held.take() { return offer(held, again: true) }
        // Connections queued on an inherited socket are for its next owner; those that have left
        // the queue are not.
        if isDraining, socket.isInherited { listening.close() }
        guard isOpen else { return .closed }
        // Full: leave it queued; it is served in its turn when a place is free.
        if context.admission.isFull(notifying: retry) { return .pause(until: .now + .seconds(60)) }
        if !context.hasMemoryForOneMore, hasBrought || listening.hasQueue {
            return .pause(until: ranShort(Errno(rawValue: ENOMEM)))
        }
        return judge(brought.take() ?? listening.accept(blocking: blocking))
    }

    /// Takes what an engine has accepted, and decides what to do with it.
    func next(_ outcome: consuming AcceptOutcome) -> Step {
        // Closed meanwhile: close what has come too late as well.
        guard isOpen else { return .closed }
        brought = consume outcome
        return next()
    }

    private func judge(_ outcome: consuming AcceptOutcome) -> Step {
        switch consume outcome {
        case .accepted(let socket, let peer):
            losses = 0
            let peer = identify(socket, peer)
            return offer(AcceptedSocket(socket: socket, peer: peer), again: false)
        case .nothing:
            losses = 0
            endShortage()
            if isDraining { listening.close() }
            return listening.isOpen ? .idle : .closed
        case .lost(let errno): return lost(errno)
        case .exhausted(let errno): return .pause(until: ranShort(errno))
        case .failed(let errno):
            context.log.listenerFailed(socket.address, errno)
            listening.close()
            return .closed
        }
    }

    /// Serves what is queued, then closes the socket; an inherited one keeps its queue for the next
    /// owner.
    ///
    /// A pause is over.
    func drain() {
        isDraining = true
    }

    /// Closes the socket, and drops what has not been served.
    func close() {
        listening.close()
        held = nil
        brought = nil
    }

    // Finding the user of a Unix socket costs a system call: only if it is needed.
    private func identify(_ socket: borrowing Socket, _ address: SocketAddress) -> Peer {
        guard case .unix = address, context.admission.tracksPeers || context.log.logsConnections,
            let credentials = socket.peerCredentials
        else { return Peer(address: address) }
        return Peer(
            address: address,
            userID: credentials.user,
            processID: credentials.process
        )
    }

    // A call that always fails, for example because a security policy or a filter forbids it,
    // leaves the connection queued: retrying at once would use all of the processor (PF-3).
    private func lost(_ errno: Errno) -> Step {
        losses += 1
        guard losses >= Self.lossLimit else {
            context.admission.acceptFailed()
            return .again
        }
        return .pause(until: ranShort(errno))
    }

    private func offer(_ accepted: consuming AcceptedSocket, again: Bool) -> Step {
        let departures = context.admission.departures
        let verdict = context.admission.decide(
            accepted.peer,
            local: socket.address,
            unservable: !canServe(accepted.socket.number),
            again: again
        )
        switch verdict {
        case .accept:
            tellOpened(accepted)
            return .serve(accepted)
        case .reject(let reason):
            isHeldTold = false
            accepted.socket.setResetOnClose()
            context.log.rejected(accepted.peer, reason)
            return .again
        case .defer:
            // Keeps its place: nothing behind it is accepted before it (SEL-10, SEL-12). A peer
            // that is gone meanwhile must not delay the others.
            if accepted.socket.hasFailed {
                context.admission.acceptFailed()
                return .again
            }
            held = consume accepted
            // Otherwise one that ended during the call would be missed.
            let isStale = context.admission.notifyWhenOneEnds(retry, since: departures)
            return .pause(until: isStale ? .now : .now + .milliseconds(100))
        }
    }

    // Logged once, even if it is taken back and accepted again.
    private func tellOpened(_ accepted: borrowing AcceptedSocket) {
        defer { isHeldTold = false }
        guard context.log.logsConnections, !isHeldTold else { return }
        let local = accepted.socket.localAddress?.withoutMapping ?? socket.address
        context.log.opened(accepted.peer, to: local)
    }

    /// Records a shortage of something needed to serve a connection, and returns when to retry.
    ///
    /// Logs once per episode.
    func ranShort(_ errno: Errno) -> MonotonicTime {
        context.admission.acceptFailed()
        if shortage.failed(at: .now) { context.log.exhausted(socket.address, errno) }
        context.admission.notifyWhenOneEnds(retry)
        return .now + shortage.pause
    }

    /// Takes back a connection that cannot be served for now, and returns when to retry: it stays
    /// first in line, as if it had not been accepted (SEL-10).
    func takeBack(_ accepted: consuming AcceptedSocket, _ errno: Errno) -> MonotonicTime {
        context.admission.revoke(accepted.peer)
        held = consume accepted
        isHeldTold = true
        return ranShort(errno)
    }

    // The queue was found empty: the shortage is over.
    private func endShortage() {
        guard let ended = shortage.end(at: .now) else { return }
        context.log.recovered(socket.address, after: ended.span, failures: ended.failures)
    }
}

extension Socket {
    /// Whether the connection is already broken.
    fileprivate var hasFailed: Bool { wait(for: 0, atMost: 0) != 0 }
}
