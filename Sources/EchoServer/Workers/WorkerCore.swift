import EchoSockets
import EchoWinsock

/// What every worker with several connections has: its connections, the time-dependent rules, and
/// the messages from other threads.
///
/// Confined to the worker's thread; how the worker waits is up to the model.
final class WorkerCore<Client: ServedConnection> {
    let context: ServingContext
    let state: WorkerState
    let inbox: WorkerInbox
    private let ended: (Int) -> Void
    /// The connections by handle: the one table that lists them.
    let connections = HandleTable<Client>()
    private let housekeeper: Housekeeper
    private var isClosed = false
    // Handed over, and not taken by the model yet.
    private var arrivedDatagrams: [DatagramEndpoint] = []
    // Its datagram sockets; few, and none once it drains.
    private var datagrams: [any DatagramMember] = []
    // Asked for each turn, and so without a run-time check of the array.
    private var hasDatagrams = false
    // Not yet accounted for; how often that was postponed. Asked for each turn, and nothing is
    // called from within a use: no run-time check.
    @exclusivity(unchecked) private var departed: [Admission.Departure] = []
    private var postponements = 0
    private static var postponementLimit: Int { 100 }
    private static var settlingPause: Duration { .milliseconds(1) }

    /// The core of a new worker.
    ///
    /// - Parameters:
    ///   - context: what all workers share.
    ///   - inbox: messages from other threads.
    ///   - ended: receives the number of connections that have ended.
    init(
        _ context: ServingContext,
        _ inbox: WorkerInbox,
        ended: @escaping (Int) -> Void = { _ in }
    ) {
        self.context = context
        self.inbox = inbox
        self.ended = ended
        state = WorkerState(context)
        housekeeper = Housekeeper(context.rules)
    }

    /// Takes what other threads have sent.
    ///
    /// - Returns: the new connections, for the model to start.
    func takeMessages() -> [Arrival] {
        let contents = inbox.take()
        state.refreshTime()
        if let plan = contents.plan { housekeeper.drain(plan) }
        if contents.isClosed { expectNoMore() }
        arrivedDatagrams += contents.datagrams
        return contents.arrivals
    }

    /// Takes the datagram sockets that have come with the messages, for the model to start, or ends
    /// those that it has, if the server is shutting down.
    ///
    /// Called after ``takeMessages()``.
    ///
    /// - Parameter makeMember: serves one; what it throws is logged, and the socket closed.
    func takeDatagrams(
        _ makeMember: (DatagramEndpoint) throws(SystemError) -> any DatagramMember
    ) {
        while let endpoint = arrivedDatagrams.popLast() {
            do throws(SystemError) {
                datagrams.append(try makeMember(endpoint))
                hasDatagrams = true
            } catch {
                endpoint.close()
                context.log.datagramsFailed(endpoint.address, error.errno)
                ended(1)
            }
        }
        guard housekeeper.isDraining, hasDatagrams else { return }
        for member in datagrams { member.end() }
        ended(datagrams.count)
        datagrams = []
        hasDatagrams = false
    }

    /// Whether something has been sent since ``takeMessages()``.
    var hasMessages: Bool { inbox.hasNews }

    /// Inserts a connection into the table.
    func add(_ connection: Client) {
        add { _ in connection }
    }

    /// Makes a connection that knows its handle, and inserts it into the table.
    ///
    /// - Throws: what `makeConnection` threw; the table is then unchanged.
    @discardableResult
    func add<Failure: Error>(
        _ makeConnection: (SocketHandle) throws(Failure) -> Client
    ) throws(Failure) -> Client {
        let connection = try connections.insert { handle throws(Failure) in
            let connection = try makeConnection(handle)
            connection.place = handle
            return connection
        }
        // Informed like the others, in the next sweep, once the model has started it.
        if housekeeper.isDraining { housekeeper.consider(deadline: .coarse) }
        housekeeper.consider(connection.state)
        return connection
    }

    /// Removes a closed connection; ``settle()`` accounts for it.
    ///
    /// May destroy it: the caller must not use it afterwards.
    func remove(_ leaving: Client) {
        guard let connection = connections.remove(leaving.place) else { return }
        if connections.isEmpty { self.state.closePipe() }
        let state = connection.state
        unsafe departed.append(Admission.Departure(peer: connection.peer, cause: state.closeCause))
        context.log.closed(connection.peer, since: connection.beginning, state)
    }

    /// Accounts for the connections that have ended.
    func settle() {
        guard unsafe !departed.isEmpty else { return }
        context.admission.leave(unsafe departed)
        noteSettled()
    }

    // When thousands of connections end at once on many threads, a worker that waited for the lock
    // each time one of its own ends would serve no client until all others had their turns.
    private func settleIfFree() {
        postponements += 1
        if postponements > Self.postponementLimit { return settle() }
        if context.admission.leaveIfFree(unsafe departed) { noteSettled() }
    }

    private func noteSettled() {
        let count = unsafe departed.count
        unsafe departed.removeAll(keepingCapacity: count <= 64)
        postponements = 0
        ended(count)
    }

    /// Resets a connection that cannot be served after all.
    func refuse(_ arrival: Arrival, _ error: Errno) {
        arrival.refuse(context, error)
        ended(1)
    }

    /// Notes that a connection waits for something that depends on time.
    func consider(_ connection: Client) {
        housekeeper.consider(connection.state)
    }

    /// How long the worker may wait for input; `nil` means without a limit.
    var wait: Duration? {
        // The clock of the rules: with an exact one it would wake a tick too early, and spin.
        let rest = housekeeper.due.map { max($0 - .coarse, .zero) }
        guard unsafe !departed.isEmpty else { return rest }
        return min(rest ?? Self.settlingPause, Self.settlingPause)
    }

    /// Accounts for what has ended, and does what is due by the clock.
    ///
    /// Called each turn, after waiting: most have nothing to do, and pay for the questions only.
    func housekeep() {
        if housekeeper.due != nil { doWhatIsDue() }
        if unsafe !departed.isEmpty { settleIfFree() }
    }

    @inline(never)
    private func doWhatIsDue() {
        state.refreshTime()
        guard housekeeper.isDue(state.now) else { return }
        let event = housekeeper.event(state.now)
        // Not inside the housekeeper: a connection's actions may call it again.
        var earliest: MonotonicTime?
        connections.visit { connection in
            connection.check(event, state)
            guard let deadline = connection.state.deadline(context.rules) else { return }
            earliest = min(earliest ?? deadline, deadline)
        }
        housekeeper.schedule(earliest: earliest, isEmpty: connections.isEmpty, state.now)
    }

    /// Whether the server is shutting down.
    var isDraining: Bool { housekeeper.isDraining }

    /// Whether the shutdown's deadline has passed.
    var isPastDeadline: Bool { housekeeper.isPastDeadline }

    /// Notes that no further connection will come.
    func expectNoMore() {
        isClosed = true
    }

    /// Whether nothing is left to do, now or later.
    var isDone: Bool { isClosed && connections.isEmpty && !hasDatagrams }

    /// Finishes the accounting of this worker.
    func retire() {
        settle()
        context.counters.retire(state.counters)
        inbox.end()
    }
}
