import EchoSockets
import Glibc

/// Accepts from one listening socket by the rules of admission: limits, the accept condition,
/// holding back, and what to do when descriptors run out.
///
/// Confined to one thread; does not wait.
final class AcceptSource {
    /// What an attempt came to.
    enum Step: ~Copyable {
        /// Serve this connection.
        case serve(AcceptedSocket)
        /// Nothing to serve from this one; try again at once.
        case next
        /// No connection is queued.
        case empty
        /// Not now: try again at that moment, or earlier if a connection ends.
        case wait(until: MonotonicTime)
    }

    /// The socket it accepts from.
    let listening: any ConnectionSource
    private let context: ServingContext
    private let wakeup: Wakeup
    private let blocking: Bool
    private let canServe: @Sendable (CInt) -> Bool
    private var held: AcceptedSocket?
    // Whether the log has been told that the one that is held was opened.
    private var isHeldTold = false
    private var shortage = Shortage()
    private var losses = 0
    /// Connections lost in a row before it is not taken for their fault any more.
    private static let lossLimit = 64

    /// - Parameters:
    ///   - listening: the socket.
    ///   - context: limits, counts and log.
    ///   - wakeup: signalled when waiting may have come to an end early.
    ///   - blocking: whether the model wants blocking sockets.
    ///   - canServe: whether the model can serve a socket with that descriptor.
    init(
        _ listening: any ConnectionSource,
        _ context: ServingContext,
        wakeup: Wakeup,
        blocking: Bool = false,
        canServe: @escaping @Sendable (CInt) -> Bool = { _ in true }
    ) {
        self.listening = listening
        self.context = context
        self.wakeup = wakeup
        self.blocking = blocking
        self.canServe = canServe
    }

    /// Accepts one connection, if there is one and the rules allow it.
    func step() -> Step {
        if let held = held.take() { return offer(held, again: true) }
        // Full: leave it queued, it is served in its turn when a place is free.
        if context.admission.isFull(notifying: wakeup) { return .wait(until: .now + .seconds(60)) }
        if !context.hasMemoryForOneMore, listening.hasQueue {
            return .wait(until: ranShort(Errno(rawValue: ENOMEM)))
        }
        switch listening.accept(blocking: blocking) {
        case .accepted(let socket, let peer):
            losses = 0
            let peer = identify(socket, peer)
            return offer(AcceptedSocket(socket: socket, peer: peer), again: false)
        case .nothing:
            losses = 0
            endShortage()
            return .empty
        case .lost(let errno): return lost(errno)
        case .exhausted(let errno): return .wait(until: ranShort(errno))
        case .failed(let errno):
            context.log.listenerFailed(listening.address, errno)
            listening.close()
            return .empty
        }
    }

    // Whose a Unix socket is costs a system call: only if somebody wants to know.
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

    // A call that fails each time, because a security policy or a filter forbids it for example,
    // leaves the connection queued: trying at once for ever would use all of the processor (PF-3).
    private func lost(_ errno: Errno) -> Step {
        losses += 1
        guard losses >= Self.lossLimit else {
            context.admission.acceptFailed()
            return .next
        }
        return .wait(until: ranShort(errno))
    }

    private func offer(_ accepted: consuming AcceptedSocket, again: Bool) -> Step {
        let departures = context.admission.departures
        let verdict = context.admission.decide(
            accepted.peer,
            local: listening.address,
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
            return .next
        case .defer:
            // Keeps its place: nothing behind it is accepted before it (SEL-10, SEL-12). A peer
            // that has gone meanwhile must not hold up the others.
            if accepted.socket.hasFailed {
                context.admission.acceptFailed()
                return .next
            }
            held = consume accepted
            // One that ended while the question was asked would be missed otherwise.
            let isStale = context.admission.notifyWhenOneEnds(wakeup, since: departures)
            return .wait(until: isStale ? .now : .now + .milliseconds(100))
        }
    }

    // Once, even if it is taken back and accepted again.
    private func tellOpened(_ accepted: borrowing AcceptedSocket) {
        defer { isHeldTold = false }
        guard context.log.logsConnections, !isHeldTold else { return }
        let local = accepted.socket.localAddress?.withoutMapping ?? listening.address
        context.log.opened(accepted.peer, to: local)
    }

    /// Notes that something needed to serve a connection is lacking, and says when to try again.
    ///
    /// Logs once an episode.
    func ranShort(_ errno: Errno) -> MonotonicTime {
        context.admission.acceptFailed()
        if shortage.failed(at: .now) { context.log.exhausted(listening.address, errno) }
        context.admission.notifyWhenOneEnds(wakeup)
        return .now + shortage.pause
    }

    /// Takes back a connection that cannot be served for now, and says when to try again: it stays
    /// first in line, as if it had not been accepted (SEL-10).
    func takeBack(_ accepted: consuming AcceptedSocket, _ errno: Errno) -> MonotonicTime {
        context.admission.revoke(accepted.peer)
        held = consume accepted
        isHeldTold = true
        return ranShort(errno)
    }

    /// Whether descriptors, memory or threads were lacking when it last tried, and the queue has
    /// not been found empty since.
    var isShort: Bool { shortage.isOngoing }

    /// Whether a connection is being held back.
    var holdsConnection: Bool {
        switch held {
        case .some: true
        case .none: false
        }
    }

    /// The queue was found empty: what was lacking is there again.
    func endShortage() {
        guard let ended = shortage.end(at: .now) else { return }
        context.log.recovered(listening.address, after: ended.span, failures: ended.failures)
    }
}

extension Socket {
    /// Whether the connection is already broken.
    fileprivate var hasFailed: Bool { wait(for: 0, atMost: 0) != 0 }
}
