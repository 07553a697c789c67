import EchoSockets
import Testing

@testable import EchoServer

private let start = MonotonicTime(nanoseconds: 1 << 40)

private func after(_ milliseconds: Int) -> MonotonicTime { start + .milliseconds(milliseconds) }

@Suite(.timeLimit(.minutes(5)))
struct HousekeeperTests {
    private static let rules = EchoRules(pendingLimit: 8, idleTimeout: .milliseconds(1000))

    @Test func `rule 8: nothing is due while nothing depends on time`() {
        let keeper = Housekeeper(EchoRules())
        #expect(keeper.due == nil)
        keeper.consider(EchoState(at: start))
        #expect(keeper.due == nil)
        keeper.schedule(earliest: nil, isEmpty: false, start)
        #expect(keeper.due == nil)
        #expect(!keeper.isDue(MonotonicTime(nanoseconds: .max)))
        #expect(!keeper.isDraining)
    }

    @Test func `what is considered can only bring the moment forward`() {
        let keeper = Housekeeper(Self.rules)
        keeper.consider(EchoState(at: after(50)))
        #expect(keeper.due == after(1050))
        keeper.consider(EchoState(at: after(20)))
        #expect(keeper.due == after(1020))
        keeper.consider(EchoState(at: after(70)))
        #expect(keeper.due == after(1020))
        #expect(!keeper.isDue(after(1019)))
        #expect(keeper.isDue(after(1020)))
    }

    @Test(
        arguments: [
            (nil, nil), (5000, 5000), (11, 11), (10, 10), (9, 10), (0, 10), (-400, 10),
        ] as [(Int?, Int?)]
    )
    func `the next look is at the earliest deadline, not sooner than in 10 ms`(
        _ earliest: Int?,
        _ due: Int?
    ) {
        let keeper = Housekeeper(Self.rules)
        keeper.schedule(earliest: earliest.map(after), isEmpty: false, start)
        #expect(keeper.due == due.map(after))
    }

    @Test func `draining: drain until the finish, finish until the deadline, then abort`() {
        let keeper = Housekeeper(Self.rules)
        #expect(keeper.event(after(9999)) == .tick)
        keeper.drain(DrainPlan(timeout: .seconds(4), from: start))
        #expect(keeper.event(start) == .drain)
        #expect(keeper.event(after(2999)) == .drain)
        #expect(keeper.event(after(3000)) == .finish)
        // Again and again: who joins late is told too.
        #expect(keeper.event(after(3999)) == .finish)
        #expect(keeper.event(after(4000)) == .abort)
        #expect(keeper.event(after(9000)) == .abort)
    }

    @Test func `a plan is looked at at once, the same plan is no news, an earlier one is`() {
        let keeper = Housekeeper(Self.rules)
        let plan = DrainPlan(timeout: .seconds(4))
        #expect(keeper.drain(plan) == true)
        #expect(keeper.isDraining)
        #expect(keeper.isDue(.now))
        keeper.schedule(earliest: nil, isEmpty: true, .now)
        #expect(keeper.drain(plan) == false)
        #expect(!keeper.isDue(.now))
        #expect(keeper.drain(.immediate) == true)
        #expect(keeper.isDue(.now))
        #expect(keeper.event(.coarse) == .abort)
    }

    @Test func `draining: a look is due at the finish and at the deadline, if there is anybody`() {
        let keeper = Housekeeper(EchoRules(quietPeriod: .seconds(60)))
        keeper.drain(DrainPlan(timeout: .seconds(4), from: start))
        keeper.schedule(earliest: nil, isEmpty: false, start)
        #expect(keeper.due == after(3000))
        keeper.schedule(earliest: after(2000), isEmpty: false, start)
        #expect(keeper.due == after(2000))
        keeper.schedule(earliest: after(3500), isEmpty: false, start)
        #expect(keeper.due == after(3000))
        #expect(keeper.event(after(3000)) == .finish)
        keeper.schedule(earliest: nil, isEmpty: false, after(3000))
        #expect(keeper.due == after(4000))
        keeper.schedule(earliest: nil, isEmpty: true, after(4000))
        #expect(keeper.due == nil)
    }

    @Test func `draining: without connections there is nothing to do before the finish`() {
        let keeper = Housekeeper(EchoRules())
        keeper.drain(DrainPlan(timeout: .seconds(4), from: start))
        keeper.schedule(earliest: nil, isEmpty: true, start)
        #expect(keeper.due == after(3000))
    }

    @Test func `draining: whoever becomes quiet later is noticed after the quiet period`() {
        let rules = EchoRules()
        var state = EchoState(at: start)
        _ = state.handle(.received(3), at: start, rules)
        let keeper = Housekeeper(rules)
        keeper.drain(DrainPlan(timeout: .seconds(60), from: start))
        _ = state.handle(keeper.event(start), at: start, rules)
        keeper.schedule(earliest: state.deadline(rules), isEmpty: false, start)
        _ = state.handle(.sent(3), at: after(50), rules)
        var looks = 0
        while let due = keeper.due, looks < 10, state.handle(.tick, at: due, rules) == .receive {
            keeper.schedule(earliest: state.deadline(rules), isEmpty: false, due)
            looks += 1
        }
        #expect(looks == 1)
        #expect(keeper.due == after(250))
    }
}

/// A connection that notes what it is told to do, and leaves its worker when it closes.
private final class NotedConnection: Connection {
    private unowned let worker: WorkerCore<NotedConnection>
    var noted: [EchoState.Demand] = []

    init(_ worker: WorkerCore<NotedConnection>, age: Int) {
        self.worker = worker
        let peer = Peer(address: .loopback(port: 1), userID: nil)
        super.init(peer: peer, at: worker.state.now + .seconds(-age))
        _ = worker.context.admission.decide(peer, local: .loopback(port: 2))
        worker.add(self)
    }

    override func apply(_ demand: EchoState.Demand) {
        noted.append(demand)
        if demand.contains(.close) { worker.remove(self) }
    }
}

@Suite(.timeLimit(.minutes(5)))
struct HousekeeperWorkerTests {
    private let inbox = WorkerInbox(of: "test") {}
    private let worker: WorkerCore<NotedConnection>
    private let connections: [NotedConnection]
    private let ending: EchoState.Demand = [.shutdownSend, .receive]

    init() {
        let configuration = EchoServer.Configuration(idleTimeout: .seconds(60))
        let core = WorkerCore<NotedConnection>(
            ServingContext(configuration, logger: .silent),
            inbox
        )
        worker = core
        connections = [61, 60, 50, 10].map { NotedConnection(core, age: $0) }
    }

    @Test func `rule 7: a worker ends who is idle, and looks again when the next may be`() throws {
        #expect(worker.wait == .zero)
        let before = MonotonicTime.coarse
        worker.housekeep()
        #expect(connections.map(\.noted) == [[ending], [ending], [.receive], [.receive]])
        let wait = try #require(worker.wait)
        let passed = MonotonicTime.coarse - before
        #expect(wait <= .seconds(1) && wait + passed >= .seconds(1), "until the linger timeout")
    }

    @Test func `draining: a worker finishes who is quiet, and looks at who is not`() throws {
        _ = connections[3].handle(.received(5), worker.state)
        inbox.drain(DrainPlan(timeout: .seconds(100)))
        _ = worker.takeMessages()
        worker.housekeep()
        #expect(connections[..<3].allSatisfy { $0.noted == [ending] })
        #expect(connections[3].noted == [[.send, .receive]])
        #expect(try #require(worker.wait) <= worker.state.rules.quietPeriod)
    }

    @Test func `at the drain timeout a worker aborts everybody, and is done`() {
        inbox.drain(.immediate)
        inbox.close()
        _ = worker.takeMessages()
        #expect(!worker.isDone)
        worker.housekeep()
        #expect(connections.allSatisfy { $0.noted == [.close] })
        #expect(worker.context.statistics.closed == [.aborted: 4])
        #expect(worker.isDone)
        #expect(worker.wait == nil)
    }
}

@Suite(.timeLimit(.minutes(5)))
struct HousekeeperPlanTests {
    @Test(
        arguments: [
            (0, 0), (1, 0.75), (100, 75), (1000, 750), (4000, 3000), (4001, 3001), (5000, 4000),
            (86_400_000, 86_399_000),
        ] as [(Int, Double)]
    )
    func `the last quarter of the timeout, a second at most, is kept for finishing`(
        _ timeout: Int,
        _ finish: Double
    ) {
        let plan = DrainPlan(timeout: .milliseconds(timeout), from: start)
        #expect(plan.deadline == after(timeout))
        #expect(plan.finishAt == start + .microseconds(Int(finish * 1000)))
    }

    @Test(arguments: [Duration.seconds(Int64.max), .seconds(1 << 40), .nanoseconds(Int64.max)])
    func `a timeout longer than the clock can count never ends`(_ timeout: Duration) {
        let plan = DrainPlan(timeout: timeout, from: start)
        #expect(plan.deadline == MonotonicTime(nanoseconds: .max))
        #expect(plan.finishAt > after(1_000_000_000))
        #expect(plan.finishAt <= plan.deadline)
    }

    @Test func `the immediate plan is over already, and earlier than any other`() {
        #expect(DrainPlan.immediate.deadline < .coarse)
        #expect(DrainPlan.immediate.finishAt <= DrainPlan.immediate.deadline)
        #expect(DrainPlan.immediate.deadline < DrainPlan(timeout: .zero).deadline)
    }
}
