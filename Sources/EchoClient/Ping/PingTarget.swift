import EchoProactor
import EchoSockets

/// One endpoint of a run: its schedule, its connections, and what comes together of its probes.
///
/// Belongs to the loop's thread.
final class PingTarget: PingDatagramsUser {
    private let loop: ClientLoop
    private let ledger: PingLedger
    private let ping: EchoPing
    private let index: Int
    private var tally: PingTally
    private var plan: PingConnection.Plan?
    private var schedule: PingSchedule
    private let timer = EchoProactor.Operation()
    private var next = 0
    private var unsettled = 0
    private var isOver = false
    // The last address that worked, which is tried first.
    private var preferred = 0
    private var connections: [Int: any PingLink] = [:]
    // That of the next probe, if it is kept.
    private var kept: (any PingLink)?
    private var last: PendingProbe?

    /// An endpoint that is not probed yet.
    init(_ ping: EchoPing, _ index: Int, _ loop: ClientLoop, _ ledger: PingLedger) {
        self.loop = loop
        self.ledger = ledger
        self.ping = ping
        self.index = index
        tally = PingTally(ping.endpoints[index])
        schedule = PingSchedule(start: ledger.start, interval: ping.interval)
        timer.routine = { [weak self] error, _, _ in
            if error == nil { self?.wake() }
        }
    }

    /// What it has measured so far.
    var report: EchoPing.EndpointReport { tally.current }

    /// Begins to probe: at the first place of its schedule that is not over.
    ///
    /// - Parameters:
    ///   - addresses: the endpoint's.
    ///   - resolve: how long looking them up took; `nil` if they are numeric.
    func begin(_ addresses: [SocketAddress], resolve: Duration?) {
        tally.note(resolve: resolve)
        plan = PingConnection.Plan(
            endpoint: ping.endpoints[index].value,
            addresses: addresses,
            size: ping.size,
            timeout: ping.timeout
        )
        schedule = PingSchedule(
            start: ledger.start,
            interval: ping.interval,
            endpoint: index,
            of: ping.endpoints.count,
            notBefore: resolve == nil ? nil : .now
        )
        arm()
    }

    /// Ends before it has begun: the endpoint has no address.
    func end(_ failure: ConnectError, resolve: Duration?) {
        tally.note(resolve: resolve, failure: failure)
        isOver = true
        ledger.live -= 1
    }

    /// Ends what is under way.
    func stop() {
        loop.loop.cancelWait(timer)
        for connection in connections.values { connection.close() }
        connections = [:]
        kept = nil
    }

    private func arm() {
        if next < ping.count ?? .max { loop.loop.wait(timer, until: schedule.moment(of: next)) }
    }

    private func wake() {
        let now = MonotonicTime.now
        let due = min(schedule.last(dueBy: now), (ping.count ?? .max) - 1)
        if due > next { miss(due - next, at: now) }
        let probe = pending(next, at: now)
        last = probe
        next += 1
        unsettled += 1
        arm()
        ledger.lateness.record(probe.woken - probe.due)
        tally.noteSent()
        connection().add(probe)
    }

    // Too late for all but the last that is due: they are not made up for.
    private func miss(_ count: Int, at now: MonotonicTime) {
        let outcome = EchoPing.Outcome.missed(count: count)
        tally.note(outcome, wasLost: false)
        ledger.lateness.record(now - schedule.moment(of: next))
        ledger.tell(index, pending(next, at: now), outcome)
        next += count
    }

    private func pending(_ sequence: Int, at now: MonotonicTime) -> PendingProbe {
        PendingProbe(
            sequence: sequence,
            due: schedule.moment(of: sequence),
            woken: now,
            deadline: now + ping.timeout
        )
    }

    private func connection() -> any PingLink {
        if let kept { return kept }
        let none = PingConnection.Plan(
            endpoint: ping.endpoints[index].value,
            addresses: [],
            size: ping.size,
            timeout: ping.timeout
        )
        let (number, connection) = open(plan ?? none)
        connections[number] = connection
        if ping.connections == .kept { kept = connection }
        return connection
    }

    private func open(_ plan: PingConnection.Plan) -> (number: Int, link: any PingLink) {
        let (number, pattern) = ledger.nextPattern()
        guard plan.endpoint.isDatagram else {
            let connection = PingConnection(
                loop,
                plan,
                number: number,
                first: preferred,
                stream: EchoStream(pattern),
                user: self
            )
            return (number, connection)
        }
        let datagrams = PingDatagrams(
            loop,
            plan,
            number: number,
            first: preferred,
            pattern: pattern,
            user: self
        )
        return (number, datagrams)
    }

    private func forget(_ number: Int) {
        let connection = connections.removeValue(forKey: number)
        if let kept, kept === connection { self.kept = nil }
    }

    private func endIfOver() {
        guard !isOver, unsettled == 0, let count = ping.count, next >= count else { return }
        isOver = true
        ledger.live -= 1
    }

    // MARK: PingDatagramsUser

    func connectionOpened(to address: Int, after duration: Duration) {
        preferred = address
        if let plan { tally.noteConnection(to: "\(plan.addresses[address])", after: duration) }
    }

    func connectionEnded(_ number: Int, _ failure: ConnectError?, surplus: String?) {
        forget(number)
        tally.noteEnd(failure, surplus: surplus)
        if let surplus, let last { ledger.tell(index, last, .surplus(evidence: surplus)) }
    }

    func settled(
        _ probe: PendingProbe,
        _ outcome: EchoPing.Outcome,
        wasLost: Bool,
        on number: Int
    ) {
        tally.note(outcome, wasLost: wasLost)
        ledger.tell(index, probe, outcome)
        if ping.connections == .new, let connection = connections[number] {
            connection.close()
            forget(number)
        }
        guard !wasLost else { return }
        unsettled -= 1
        endIfOver()
    }

    func socketOpened(for address: Int) {
        preferred = address
        if let plan { tally.note(address: "\(plan.addresses[address])") }
    }

    func refused(_ failure: ConnectError, at address: Int) -> Bool {
        tally.note(refusal: failure)
        guard let count = plan?.addresses.count, count > 1 else { return false }
        preferred = (address + 1) % count
        return true
    }

    func received(_ outcome: EchoPing.Outcome, of probe: PendingProbe?) {
        tally.note(outcome, wasLost: false)
        if let probe = probe ?? last { ledger.tell(index, probe, outcome) }
    }
}
