import EchoProactor
import EchoSockets
import EchoWinsock
import Synchronization

/// What the workers of a completion port share: the port, the connections, the listening sockets
/// and what depends on time.
final class PortService: Sendable {
    /// What packets carry that are posted by hand.
    private enum Key {
        static let orders: UInt64 = 1
        static let freePlace: UInt64 = 2
        static let roll: UInt64 = 3
    }

    // Used by one thread at a time.
    private struct Reception {
        var acceptors: [PortAcceptor]
        let datagrams: [PortDatagrams]
        let monitor: AddressMonitor?
        var addresses = SocketHandle.none
        let housekeeper: Housekeeper
        var hasBegun = false
    }

    let context: ServingContext
    let port: CompletionPort
    let roll: PortRoll
    private let plan = Locked<DrainPlan?>(nil)
    private let reception: Locked<HandedOver<Reception>>
    private let connectionCount = Atomic(0)
    // Apart from the connections, and only if it is to be logged: there is no room in them.
    private let beginnings = Locked<[ObjectIdentifier: Beginning]>([:])
    // The moment to keep house, in nanoseconds.
    private let due = Atomic<Int64>(.max)

    init(
        _ context: ServingContext,
        _ sockets: ServedSockets,
        concurrency: Int
    ) throws(SystemError) {
        self.context = context
        let port = try CompletionPort(
            concurrency: concurrency,
            receiveBufferSize: context.operationBufferSize,
            polling: context.polling
        )
        self.port = port
        roll = PortRoll(workers: concurrency)
        let monitor = AddressMonitor(sockets, context.log)
        var acceptors: [PortAcceptor] = []
        for socket in sockets.listeners {
            acceptors.append(
                try PortAcceptor(socket, port, context) {
                    port.post(key: Key.freePlace)
                }
            )
        }
        var reception = Reception(
            acceptors: acceptors,
            datagrams: try sockets.datagrams.map { (endpoint) throws(SystemError) in
                try PortDatagrams(endpoint, port, context)
            },
            monitor: monitor,
            housekeeper: Housekeeper(context.rules)
        )
        if let monitor {
            reception.addresses = try port.adopt(watching: monitor.number, owner: monitor)
        }
        self.reception = Locked(HandedOver(reception))
    }

    /// Has the workers begin to accept.
    func begin() {
        port.post(key: Key.orders)
    }

    /// Begins to drain, or brings the end forward.
    ///
    /// Any thread.
    func drain(_ plan: DrainPlan) {
        self.plan.withLock { $0 = plan }
        port.post(key: Key.orders)
    }

    /// Has the workers answer a heartbeat.
    ///
    /// Any thread.
    func probe(_ heartbeat: Heartbeat) {
        if roll.ask(heartbeat) { port.post(key: Key.roll) }
    }

    /// How long a worker may wait for packets.
    ///
    /// - Parameter isLeft: whether ``keepHouse(_:)`` has left it to another worker, which looks at
    ///   the clock again when it is done; it may take long if it hangs in an accept condition.
    /// - Returns: how long; `nil` for as long as it likes.
    func wait(afterLeaving isLeft: Bool) -> Duration? {
        guard isLeft else { return wait }
        return wait.map { max($0, .milliseconds(10)) }
    }

    private var wait: Duration? {
        let moment = due.load(ordering: .acquiring)
        // The clock of the rules: with an exact one it would wake a tick too early, and spin.
        return moment == .max ? nil : max(MonotonicTime(nanoseconds: moment) - .coarse, .zero)
    }

    /// Handles a packet that belongs to no connection.
    func handle(_ packet: Packet, _ worker: WorkerState) {
        // Not where another worker may be hanging.
        if packet.key == Key.roll { return roll.answerForWaiting() }
        let isLast = packet.withOwner(PortDatagrams.self) { $0.completed(packet, port) }
        if let isLast {
            // It may have been the last that a shutdown waits for.
            if isLast { advance(due: .coarse) }
            return
        }
        reception.withLock { box in
            switch packet.kind {
            case .accept:
                let acceptor = box.value.acceptors.first { $0.owns(packet) }
                acceptor?.completed(packet) { begin($0, worker) }
            case .readable where packet.error == nil:
                box.value.monitor?.report()
                port.waitReadable(on: box.value.addresses)
            case .posted where packet.key == Key.orders: takeOrders(&box.value, worker)
            case .posted:
                for acceptor in box.value.acceptors { acceptor.resume { begin($0, worker) } }
            default: break
            }
            schedule(box.value)
            // It may have been the last that a shutdown waits for.
            if box.value.housekeeper.isDraining { advance(due: .coarse) }
        }
    }

    // The order to drain may come before the one to begin has been taken: then it does both, for
    // connections may be queued.
    private func takeOrders(_ reception: inout Reception, _ worker: WorkerState) {
        if let plan = plan.withLock({ $0 }) {
            reception.housekeeper.drain(plan)
            for acceptor in reception.acceptors { acceptor.drain { begin($0, worker) } }
            for socket in reception.datagrams { _ = socket.drain(port) }
        }
        guard !reception.hasBegun else { return }
        reception.hasBegun = true
        if reception.monitor != nil { port.waitReadable(on: reception.addresses) }
        for acceptor in reception.acceptors { acceptor.begin() }
        for socket in reception.datagrams { socket.begin(port) }
    }

    private func begin(_ accepted: consuming AcceptedSocket, _ worker: WorkerState) {
        // The accept condition may have taken long: that was not idle time of the connection.
        worker.refreshTime()
        let connection = PortConnection(peer: accepted.peer, at: worker.now)
        var options: AdoptionOptions = .skipsPacketOnSuccess
        // A receive of a Unix socket also ends early where somebody passed descriptors.
        if case .unix = accepted.peer.address { options.insert(.receivesUntilWouldBlock) }
        let handle: SocketHandle
        do throws(SystemError) {
            handle = try port.adopt(accepted.socket, owner: connection, options: options)
        } catch {
            return context.refused(connection.peer, error.errno)
        }
        connectionCount.add(1, ordering: .relaxed)
        if context.log.logsConnections {
            let beginning = Beginning(at: worker.now)
            beginnings.withLock { $0[ObjectIdentifier(connection)] = beginning }
        }
        let isDraining = plan.withLock { $0 != nil }
        if connection.begin(handle, port, worker, isDraining: isDraining) { closed(connection) }
        if context.rules.idleTimeout != nil || isDraining {
            advance(due: isDraining ? .coarse : connection.echo.deadline(context.rules))
        }
    }

    /// Accounts for a connection that has closed.
    func closed(_ connection: PortConnection) {
        let isLast = connectionCount.subtract(1, ordering: .acquiringAndReleasing).newValue == 0
        context.ended(connection.peer, since: takeBeginning(connection), connection.echo)
        if isLast { advance(due: .coarse) }
    }

    private func takeBeginning(_ connection: PortConnection) -> Beginning {
        guard context.log.logsConnections else { return Beginning(at: .coarse) }
        return beginnings.withLock { $0.removeValue(forKey: ObjectIdentifier(connection)) }
            ?? Beginning(at: .coarse)
    }

    private var hasNoConnection: Bool { connectionCount.load(ordering: .acquiring) == 0 }

    // Brings the moment to keep house forward.
    private func advance(due moment: MonotonicTime?) {
        if let moment { due.min(moment.nanoseconds, ordering: .acquiringAndReleasing) }
    }

    private func schedule(_ reception: Reception) {
        advance(due: reception.housekeeper.due)
        for acceptor in reception.acceptors { advance(due: acceptor.due) }
    }

    /// Does what is due by the clock.
    ///
    /// - Returns: whether it has left that to another worker.
    func keepHouse(_ worker: WorkerState) -> Bool {
        guard due.load(ordering: .acquiring) != .max else { return false }
        worker.refreshTime()
        guard due.load(ordering: .acquiring) <= worker.now.nanoseconds else { return false }
        let done: Void? = reception.withLockIfAvailable { box in
            due.store(.max, ordering: .releasing)
            keepHouse(box.value, worker)
            schedule(box.value)
        }
        return done == nil
    }

    private func keepHouse(_ reception: Reception, _ worker: WorkerState) {
        let housekeeper = reception.housekeeper
        for acceptor in reception.acceptors {
            acceptor.check(worker.now) { begin($0, worker) }
            if housekeeper.isPastDeadline { acceptor.close() }
        }
        let everyone = port.owners.compactMap { $0 as? PortConnection }
        if let first = everyone.lazy.compactMap({ [context] in $0.echo.deadline(context.rules) })
            .min()
        {
            housekeeper.consider(deadline: first)
        }
        if housekeeper.isDue(worker.now) { sweep(everyone, housekeeper, worker) }
        let isOver =
            housekeeper.isDraining && !reception.acceptors.contains(where: \.isOpen)
            && !reception.datagrams.contains(where: \.isOpen)
        if isOver, hasNoConnection { port.close() }
    }

    private func sweep(
        _ everyone: [PortConnection],
        _ housekeeper: Housekeeper,
        _ worker: WorkerState
    ) {
        let event = housekeeper.event(worker.now)
        for connection in everyone where connection.check(event, port, worker) {
            closed(connection)
        }
        let deadlines = everyone.compactMap { $0.echo.deadline(worker.rules) }
        housekeeper.schedule(
            earliest: deadlines.min(),
            isEmpty: hasNoConnection,
            worker.now
        )
    }
}
