import Sockets
import Testing

@testable import EchoServer

/// A model that does nothing.
private final class IdleModel: ServingModel {
    init() {}
    init(_ context: ServingContext, _ sockets: [ListeningSocket]) throws {}
    func start() throws {}
    func drain(_ plan: DrainPlan) {}
    func probe(_ heartbeat: Heartbeat) {}
    func join() {}
}

/// A server's life at one of its stations, and who was called at the end.
private struct LifeProbe {
    enum Station: CaseIterable, Sendable {
        case initial, running, beingRun, stopping, stopped, stoppedUnstarted
    }

    static let model = IdleModel()
    static let later = DrainPlan(timeout: .seconds(5), from: MonotonicTime(nanoseconds: 1 << 40))
    static let sooner = DrainPlan(timeout: .seconds(1), from: MonotonicTime(nanoseconds: 1 << 40))

    var life = Lifecycle()
    let called = CallList()

    init(_ station: Station) throws {
        switch station {
        case .initial: return
        case .running: life.started(Self.model, [.loopback(port: 1)])
        case .beingRun:
            _ = try life.beginRun()
            life.started(Self.model, [])
        case .stopping, .stopped:
            life.started(Self.model, [])
            _ = shutDown(Self.later, "first")
            if station == .stopped { for waiter in life.finish() { waiter() } }
        case .stoppedUnstarted: _ = shutDown(Self.later, "first")
        }
    }

    /// Shuts down; gives the name of what is to be done, and checks whom it is to be done to.
    mutating func shutDown(_ plan: DrainPlan, _ name: String) -> String {
        switch life.shutDown(plan, { [called] in called.add(name) }) {
        case .complete: return "complete"
        case .wait: return "wait"
        case .hasten(let model): return model === Self.model ? "hasten" : "another model"
        case .drain(let model): return model === Self.model ? "drain" : "another model"
        }
    }

    /// The name of the phase.
    var phase: String {
        switch life.phase {
        case .initial: "initial"
        case .running: "running"
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
        let probe = try LifeProbe(station)
        let code = code { try probe.life.checkStartable() }
        switch station {
        case .initial: #expect(code == nil)
        case .running, .beingRun, .stopping: #expect(code == .alreadyStarted)
        case .stopped, .stoppedUnstarted: #expect(code == .alreadyShutDown)
        }
    }

    @Test(arguments: LifeProbe.Station.allCases)
    fileprivate func `a server is run once, started or not`(_ station: LifeProbe.Station) throws {
        var probe = try LifeProbe(station)
        var starts: Bool?
        let code = code { starts = try probe.life.beginRun() }
        switch station {
        case .initial: #expect(starts == true && code == nil)
        case .running: #expect(starts == false && code == nil)
        case .beingRun, .stopping: #expect(code == .alreadyStarted)
        case .stopped, .stoppedUnstarted: #expect(code == .alreadyShutDown)
        }
        if station == .running {
            #expect(self.code { _ = try probe.life.beginRun() } == .alreadyStarted)
        }
    }

    @Test func `a server whose start failed can be run again`() throws {
        var life = Lifecycle()
        #expect(try life.beginRun() == true)
        #expect(try life.beginRun() == true)
        life.started(LifeProbe.model, [])
        #expect(code { _ = try life.beginRun() } == .alreadyStarted)
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
        #expect(probe.shutDown(.immediate, "fifth") == "hasten")
        #expect(probe.shutDown(.immediate, "sixth") == "wait")
        #expect(probe.called.names == [])
        for waiter in probe.life.finish() { waiter() }
        #expect(probe.called.names == ["first", "second", "third", "fourth", "fifth", "sixth"])
        #expect(probe.phase == "stopped")
    }

    @Test(arguments: LifeProbe.Station.allCases)
    fileprivate func `who waits for the end is called once, at the end`(
        _ station: LifeProbe.Station
    ) throws {
        var probe = try LifeProbe(station)
        let called = probe.called
        let waits = probe.life.wait { called.add("waiter") }
        let serves = [.running, .beingRun, .stopping].contains(station)
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
