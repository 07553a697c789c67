/// An event object of an ``EventProactor``: signalled or not, waited for in groups of up to 64.
///
/// Once closed, its handle names nothing for ever. The corresponding Winsock type is `WSAEVENT`.
package struct OverlappedEvent: Hashable, Sendable {
    let index: UInt32
    let generation: UInt32
}

/// What ended a wait for events: what `WSAWaitForMultipleEvents` returns.
package enum EventWaitOutcome: Hashable, Sendable {
    /// The event at this index was signalled, the lowest of those that were (ES-9); 0 for all.
    case signalled(Int)
    /// Completion routines ran; the events were not looked at (CR-3, `WSA_WAIT_IO_COMPLETION`).
    case routinesRan
    /// Nothing happened in time (`WSA_WAIT_TIMEOUT`).
    case timedOut
    /// There must be 1 to 64 events, none twice if all are awaited; and only an
    /// ``AlertableThread``'s own thread waits alertably (`WSA_INVALID_PARAMETER`).
    case invalidParameter
    /// One of the events was closed, perhaps during the wait (`WSA_INVALID_HANDLE`, ES-11).
    case invalidHandle
}

/// The event objects of a proactor.
///
/// Guarded by its monitor.
struct EventTable {
    /// The most events that one wait takes (`WSA_MAXIMUM_WAIT_EVENTS`, ES-8).
    static var waitLimit: Int { 64 }

    private struct State {
        var generation: UInt32 = 0
        var isSignalled = false
        var isAutomatic = false
    }

    private var states: [State] = []
    private var free: [UInt32] = []

    mutating func insert(isAutomatic: Bool, isSignalled: Bool) -> OverlappedEvent {
        let index: UInt32
        if let last = free.popLast() {
            index = last
        } else {
            states.append(State())
            index = UInt32(states.count - 1)
        }
        states[Int(index)].isAutomatic = isAutomatic
        states[Int(index)].isSignalled = isSignalled
        return OverlappedEvent(index: index, generation: states[Int(index)].generation)
    }

    mutating func remove(_ event: OverlappedEvent) -> Bool {
        guard contains(event) else { return false }
        states[Int(event.index)].generation &+= 1
        free.append(event.index)
        return true
    }

    private func contains(_ event: OverlappedEvent) -> Bool {
        event.index < states.count && states[Int(event.index)].generation == event.generation
    }

    mutating func set(_ event: OverlappedEvent, _ isSignalled: Bool) -> Bool {
        guard contains(event) else { return false }
        states[Int(event.index)].isSignalled = isSignalled
        return true
    }

    func isSignalled(_ event: OverlappedEvent) -> Bool {
        contains(event) && states[Int(event.index)].isSignalled
    }

    /// Looks whether a wait is satisfied, and if so resets automatic events (ES-2, ES-10).
    mutating func satisfy(_ events: [OverlappedEvent], all: Bool) -> EventWaitOutcome? {
        var signalled = 0
        for (index, event) in events.enumerated() {
            guard contains(event) else { return .invalidHandle }
            guard states[Int(event.index)].isSignalled else { continue }
            signalled += 1
            if !all {
                consume(event)
                return .signalled(index)
            }
        }
        guard all, signalled == events.count else { return nil }
        for event in events { consume(event) }
        return .signalled(0)
    }

    private mutating func consume(_ event: OverlappedEvent) {
        if states[Int(event.index)].isAutomatic { states[Int(event.index)].isSignalled = false }
    }
}
