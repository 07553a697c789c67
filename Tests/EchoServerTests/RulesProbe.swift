import EchoSockets

@testable import EchoServer

/// Feeds events to the rules of one connection at moments counted in milliseconds.
struct RulesProbe {
    var rules = EchoRules(pendingLimit: 8, idleTimeout: .milliseconds(1000))
    var state = EchoState(at: MonotonicTime(nanoseconds: 0))

    @discardableResult
    mutating func feed(_ event: EchoState.Event, at millisecond: Int = 0) -> EchoState.Demand {
        state.handle(event, at: Self.moment(millisecond), rules)
    }

    static func moment(_ millisecond: Int) -> MonotonicTime {
        MonotonicTime(nanoseconds: 0) + .milliseconds(millisecond)
    }

    /// The deadline in milliseconds.
    var deadline: Int? {
        state.deadline(rules).map { Int($0.nanoseconds / 1_000_000) }
    }
}

/// The stations of a connection's life, and the events that lead to each.
enum RulesStation: String, CaseIterable, Sendable {
    case fresh, owing, paused, inputEnded, finishing, lingering, drainingQuiet, drainingOwing

    var probe: RulesProbe {
        var probe = RulesProbe()
        for event in path { probe.feed(event) }
        return probe
    }

    private var path: [EchoState.Event] {
        switch self {
        case .fresh: []
        case .owing: [.received(3)]
        case .paused: [.received(8)]
        case .inputEnded: [.received(3), .endOfInput]
        case .finishing: [.received(3), .finish]
        case .lingering: [.finish]
        case .drainingQuiet: [.drain]
        case .drainingOwing: [.received(3), .drain]
        }
    }

    var owed: Int {
        switch self {
        case .fresh, .lingering, .drainingQuiet: 0
        case .owing, .inputEnded, .finishing, .drainingOwing: 3
        case .paused: 8
        }
    }

    var demand: EchoState.Demand {
        switch self {
        case .fresh, .lingering, .drainingQuiet: .receive
        case .owing, .drainingOwing: [.send, .receive]
        case .paused, .inputEnded, .finishing: .send
        }
    }

    /// In milliseconds after the last progress; the rules have an idle timeout of 1000.
    var deadline: Int {
        switch self {
        case .drainingQuiet: 200
        case .fresh, .owing, .paused, .inputEnded, .finishing, .drainingOwing, .lingering: 1000
        }
    }
}
