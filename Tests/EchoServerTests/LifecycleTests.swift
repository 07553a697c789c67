import EchoSockets
import Testing

@testable import EchoServer

/// A model that does nothing.
private final class IdleModel: ServingModel {
    init() {}
    init(_ context: ServingContext, _ sockets: ServedSockets) throws {}
    func start() throws {}
    func drain(_ plan: DrainPlan) {}
    func probe(_ heartbeat: Heartbeat) {}
    func join() {}
}

/// A server's life at one of its stations, and who was called at the end.
private struct LifeProbe {
    enum Station: CaseIterable, Sendable {
        case initial, starting, startingInVain, running, beingRun, leaving, stopping, stopped
        case stoppedUnstarted
    }

    static let model = IdleModel()
    static let later = plan(draining: 5)
    static let sooner = plan(draining: 1)
    static let delayed = plan(draining: 5, after: 10)

    private static func plan(draining seconds: Int, after delay: Int = 0) -> ShutdownPlan {
        ShutdownPlan(
            drainingFor: .seconds(seconds),
            after: .seconds(delay),
            from: MonotonicTime(nanoseconds: 1 << 40)
        )
    }

    var life = Lifecycle()
    let called = CallList()

    init(_ station: Station) throws {
        switch station {
        case .initial: return
        case .starting: try life.beginStart(StartAttempt())
        case .startingInVain:
            try life.beginStart(StartAttempt())
            _ = shutDown(Self.later, "first")
        case .running: try start()
        case .beingRun:
            _ = try life.beginRun(StartAttempt())
            #expect(life.started(Self.model, []) == nil)
        case .leaving:
            try start()
            _ = shutDown(Self.delayed, "first")
        case .stopping, .stopped:
            try start()
            _ = shutDown(Self.later, "first")
            if station == .stopped { for waiter in life.finish() { waiter() } }
        case .stoppedUnstarted: _ = shutDown(Self.later, "first")
        }
    }

    private mutating func start() throws {
        try life.beginStart(StartAttempt())
        #expect(life.started(Self.model, [.tcp("127.0.0.1", port: 1)]) == nil)
    }

    /// Shuts down; gives the name of what is to be done, and checks whom it is to be done to.
    mutating func shutDown(_ plan: ShutdownPlan, _ name: String) -> String {
        switch life.shutDown(plan, { [called] in called.add(name) }) {
        case .complete: return "complete"
        case .wait: return "wait"
        case .abandon: return "abandon"
        case .endLeave: return "end leave"
        case .leave(let model, _): return model === Self.model ? "leave" : "another model"
        case .hasten(let model): return model === Self.model ? "hasten" : "another model"
        case .drain(let model): return model === Self.model ? "drain" : "another model"
        }
    }

    /// The name of the phase.
    var phase: String {
        switch life.phase {
        case .initial: "initial"
        case .starting: "starting"
        case .startingInVain: "starting in vain"
        case .running: "running"
        case .leaving: "leaving"
        case .stopping: "stopping"
        case .stopped: "stopped"
        }
    }
}

private final class CallList: Sendable {
    private let list = Locked<[String]>([])
    var names: [String] { list.withLock { $0 } }
    func add(_ name: String) { list.withLock { $0.append(name) } }
}

@Suite(.timeLimit(.minutes(5)))
struct LifecycleTests {
    @Test(arguments: LifeProbe.Station.allCases)
    fileprivate func `only a server that was never started nor shut down can be started`(
        _ station: LifeProbe.Station
    ) throws {
        var probe = try LifeProbe(station)
        let code = code { try probe.life.beginStart(StartAttempt()) }
        switch station {
        case .initial: #expect(code == nil)
        case .starting, .startingInVain, .running, .beingRun, .leaving, .stopping:
            #expect(code == .alreadyStarted)
        case .stopped, .stoppedUnstarted: #expect(code == .alreadyShutDown)
        }
    }

    @Test(arguments: LifeProbe.Station.allCases)
    fileprivate func `a server is run once, started or not`(_ station: LifeProbe.Station) throws {
        var probe = try LifeProbe(station)
        var starts: Bool?
        let code = code { starts = try probe.life.beginRun(StartAttempt()) }
        switch station {
        case .initial: #expect(starts == true && code == nil)
        case .running: #expect(starts == false && code == nil)
        case .starting, .startingInVain, .beingRun, .leaving, .stopping:
            #expect(code == .alreadyStarted)
        case .stopped, .stoppedUnstarted: #expect(code == .alreadyShutDown)
        }
        if station == .running {
            #expect(self.code { _ = try probe.life.beginRun(StartAttempt()) } == .alreadyStarted)
        }
    }

    @Test func `a server whose start failed can be run again`() throws {
        var life = Lifecycle()
        #expect(try life.beginRun(StartAttempt()) == true)
        #expect(code { _ = try life.beginRun(StartAttempt()) } == .alreadyStarted)
        #expect(life.startFailed().isEmpty)
        #expect(try life.beginRun(StartAttempt()) == true)
        #expect(life.started(LifeProbe.model, []) == nil)
        #expect(code { _ = try life.beginRun(StartAttempt()) } == .alreadyStarted)
    }

    @Test(arguments: LifeProbe.Station.allCases)
    fileprivate func `shutting down drains what serves, and completes when nothing does`(
        _ station: LifeProbe.Station
    ) throws {
        var probe = try LifeProbe(station)
        let action = probe.shutDown(LifeProbe.later, "second")
        switch station {
        case .initial, .stopped, .stoppedUnstarted:
            #expect(action == "complete")
            #expect(probe.phase == "stopped")
        case .starting:
            #expect(action == "abandon")
            #expect(probe.phase == "starting in vain")
        case .startingInVain:
            #expect(action == "wait")
            #expect(probe.phase == "starting in vain")
        case .leaving:
            #expect(action == "end leave", "without a delay it drains at once")
            #expect(probe.life.endLeave() == LifeProbe.later.drain)
            #expect(probe.phase == "stopping")
        case .running, .beingRun:
            #expect(action == "drain")
            #expect(probe.phase == "stopping")
        case .stopping:
            #expect(action == "wait", "the same end again is no news")
            #expect(probe.phase == "stopping")
        }
    }

    @Test func `shutting down again can only bring the end forward`() throws {
        var probe = try LifeProbe(.stopping)
        #expect(probe.shutDown(LifeProbe.sooner, "second") == "hasten")
        #expect(probe.shutDown(LifeProbe.later, "third") == "wait")
        #expect(probe.shutDown(LifeProbe.sooner, "fourth") == "wait")
        let immediate = ShutdownPlan(drainingFor: .zero)
        #expect(immediate.drain == .immediate)
        #expect(probe.shutDown(immediate, "fifth") == "hasten")
        #expect(probe.shutDown(immediate, "sixth") == "wait")
        #expect(probe.called.names == [])
        for waiter in probe.life.finish() { waiter() }
        #expect(probe.called.names == ["first", "second", "third", "fourth", "fifth", "sixth"])
        #expect(probe.phase == "stopped")
    }

    @Test func `a start that was shut down meanwhile ends with a drain, or in vain`() throws {
        var probe = try LifeProbe(.startingInVain)
        #expect(probe.shutDown(LifeProbe.sooner, "second") == "wait")
        #expect(probe.life.started(LifeProbe.model, []) == LifeProbe.sooner.drain)
        #expect(probe.phase == "stopping")
        var failed = try LifeProbe(.startingInVain)
        for waiter in failed.life.startFailed() { waiter() }
        #expect(failed.phase == "stopped")
        #expect(failed.called.names == ["first"])
    }

    @Test func `a shutdown with a delay serves like before until the delay is over or ended`()
        throws
    {
        var probe = try LifeProbe(.running)
        #expect(probe.life.endLeave() == nil)
        #expect(probe.shutDown(LifeProbe.delayed, "first") == "leave")
        #expect(probe.shutDown(LifeProbe.delayed, "second") == "wait")
        #expect(probe.phase == "leaving")
        #expect(probe.life.endLeave() == LifeProbe.delayed.drain)
        #expect(probe.life.endLeave() == nil)
        #expect(probe.phase == "stopping")
        #expect(probe.shutDown(LifeProbe.sooner, "third") == "hasten")
    }

    @Test(arguments: LifeProbe.Station.allCases)
    fileprivate func `who waits for the end is called once, at the end`(
        _ station: LifeProbe.Station
    ) throws {
        var probe = try LifeProbe(station)
        let called = probe.called
        let waits = probe.life.wait { called.add("waiter") }
        let serves = ![.initial, .stopped, .stoppedUnstarted].contains(station)
        #expect(waits == serves)
        for waiter in probe.life.finish() { waiter() }
        for waiter in probe.life.finish() { waiter() }
        #expect(called.names.filter { $0 == "waiter" } == (serves ? ["waiter"] : []))
        #expect(called.names.filter { $0 == "first" }.count <= 1)
    }

    private func code(_ body: () throws -> Void) -> EchoServer.Failure.Code? {
        do {
            try body()
            return nil
        } catch {
            return (error as? EchoServer.Failure)?.code
        }
    }
}
