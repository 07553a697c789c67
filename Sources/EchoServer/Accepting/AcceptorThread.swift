import EchoSockets
import Glibc

/// The thread that accepts connections, for models that have one: it waits until a listening socket
/// has a connection, admits it and hands it over.
final class AcceptorThread: Sendable {
    private static let name = "acceptor"

    private let context: ServingContext
    private let sockets: ServedSockets
    private let wakeup: Wakeup
    private let plan = Locked<DrainPlan?>(nil)
    private let pulse = Pulse(of: name)
    private let thread = Locked<Thread?>(nil)

    /// Does not accept yet: see ``start(blocking:canServe:serve:ended:)``.
    init(_ context: ServingContext, _ sockets: ServedSockets) throws(SystemError) {
        self.context = context
        self.sockets = sockets
        wakeup = try Wakeup()
    }

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - blocking: whether accepted sockets block.
    ///   - canServe: whether the model can serve a socket with that descriptor.
    ///   - serve: takes over an admitted connection, or returns it.
    ///   - ended: called last, when no further connection will be handed over; also if this throws.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    func start(
        blocking: Bool = false,
        canServe: @escaping @Sendable (CInt) -> Bool = { _ in true },
        serve: @escaping @Sendable (consuming AcceptedSocket) -> HandOver,
        ended: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        // Here, not on the thread: no change after the start is missed.
        let monitor = AddressMonitor(sockets, context.log)
        do throws(SystemError) {
            let started = try Thread(name: Self.name) { [self] in
                var loop = AcceptLoop(sockets, wakeup, monitor) { [context, wakeup] socket in
                    AcceptSource(socket, context, blocking: blocking, canServe: canServe) {
                        wakeup.signal()
                    }
                }
                loop.run(serve) {
                    pulse.answer()
                    return plan.withLock { $0 }
                }
                for socket in sockets.listeners { socket.close() }
                ended()
                pulse.end()
            }
            thread.withLock { $0 = started }
        } catch {
            // Waiting for the end would never return if there were no thread to report it.
            ended()
            throw error
        }
    }

    /// Serves what is queued, then ends; at the plan's deadline in any case.
    ///
    /// Any thread.
    func drain(_ plan: DrainPlan) {
        self.plan.withLock { $0 = plan }
        wakeup.signal()
    }

    /// Makes the thread answer a heartbeat.
    ///
    /// Any thread.
    func probe(_ heartbeat: Heartbeat) {
        if pulse.ask(heartbeat) { wakeup.signal() }
    }

    /// Waits until the thread has ended.
    func join() {
        thread.withLock { $0.take() }?.join()
    }
}

/// The acceptor's loop: one `poll(2)` over the listening sockets that may be accepted from.
private struct AcceptLoop {
    private struct Entry {
        let socket: ListeningSocket
        let source: AcceptSource
        var notBefore: MonotonicTime?
    }

    private var entries: [Entry]
    private let wakeup: Wakeup
    private let monitor: AddressMonitor?
    private var end: MonotonicTime?

    init(
        _ sockets: ServedSockets,
        _ wakeup: Wakeup,
        _ monitor: AddressMonitor?,
        source: (ListeningSocket) -> AcceptSource
    ) {
        entries = sockets.listeners.map { Entry(socket: $0, source: source($0)) }
        self.wakeup = wakeup
        self.monitor = monitor
    }

    mutating func run(
        _ serve: (consuming AcceptedSocket) -> HandOver,
        orders: () -> DrainPlan?
    ) {
        while true {
            if let plan = orders() {
                if plan.deadline <= .now { return }
                if end == nil { beginDraining() }
                end = plan.deadline
            }
            for index in wait() { accept(index, serve) }
            if end != nil, entries.allSatisfy({ !$0.source.isOpen }) { return }
        }
    }

    private mutating func beginDraining() {
        for entry in entries { entry.source.drain() }
        wakeup.signal()
    }

    // The size of a burst, so that one busy socket does not starve the others.
    private mutating func accept(
        _ index: Int,
        _ serve: (consuming AcceptedSocket) -> HandOver
    ) {
        if let moment = entries[index].notBefore, moment > .now { return }
        entries[index].notBefore = nil
        let source = entries[index].source
        for _ in 0..<64 {
            switch source.next() {
            case .serve(let accepted):
                switch serve(accepted) {
                case .served: continue
                case .lacking(let errno, let accepted):
                    entries[index].notBefore = source.takeBack(accepted, errno)
                    return
                }
            case .again: continue
            case .idle: return
            case .closed: return
            case .pause(let moment):
                entries[index].notBefore = moment
                return
            }
        }
        if source.seeksEnd { wakeup.signal() }
    }

    /// Waits for connections, a wake-up or the end of a pause; returns the entries to check.
    private mutating func wait() -> Set<Int> {
        let now = MonotonicTime.now
        var polled = [pollfd(fd: wakeup.number, events: Int16(POLLIN), revents: 0)]
        polled.append(pollfd(fd: monitor?.number ?? -1, events: Int16(POLLIN), revents: 0))
        var timeout = end.map { ($0 - now).millisecondsRoundedUp } ?? -1
        for entry in entries {
            var number = entry.source.isOpen ? entry.socket.number : -1
            if let moment = entry.notBefore {
                number = -1
                let rest = (moment - now).millisecondsRoundedUp
                timeout = timeout < 0 ? rest : min(timeout, rest)
            }
            polled.append(pollfd(fd: number, events: Int16(POLLIN), revents: 0))
        }
        if unsafe poll(&polled, nfds_t(polled.count), timeout) < 0, errno != EINTR {
            pauseAfterFailedWait()
        }
        // Before commands: the end must not lose a change.
        if polled[1].revents != 0 { monitor?.report() }
        if polled[0].revents != 0 {
            wakeup.clear()
            // A connection has ended, or there is a command: pauses are over.
            for index in entries.indices { entries[index].notBefore = nil }
            return Set(entries.indices)
        }
        return Set(
            entries.indices.filter {
                polled[$0 + 2].revents != 0 || entries[$0].notBefore != nil
            }
        )
    }
}
