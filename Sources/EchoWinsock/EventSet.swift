/// Up to 64 event objects that one thread waits on together: the array that a program passes to
/// `WSAWaitForMultipleEvents`.
///
/// One word holds which are signalled, so a wait and a sweep cost a few instructions whatever their
/// number. An event keeps its index until it is closed; a new event takes the lowest free index.
/// More than 64 need another thread, with a set of its own (ES-11).
///
/// Confined to one thread, like the loop that waits; not Sendable. No system calls.
@safe
@usableFromInline
package final class EventSet {
    @usableFromInline
    @unsafe
    struct State {
        @usableFromInline var open: UInt64 = 0
        @usableFromInline var signalled: UInt64 = 0
    }

    // Memory of its own, so that setting an event needs no exclusivity check.
    @usableFromInline let state: UnsafeMutablePointer<State>

    /// The most events that one wait takes (`WSA_MAXIMUM_WAIT_EVENTS`, N-2, ES-8).
    @inlinable
    package static var capacity: Int { UInt64.bitWidth }

    /// A set without events.
    package init() {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: State())
    }

    deinit {
        unsafe state.deallocate()
    }

    /// How many events there are.
    package var count: Int { unsafe state.pointee.open.nonzeroBitCount }

    /// Whether there are none: waiting for nothing is an error (ES-8).
    @inlinable
    package var isEmpty: Bool { unsafe state.pointee.open == 0 }

    /// Makes an event that is not signalled; once signalled, it stays so until it is reset (ES-2).
    ///
    /// The corresponding Winsock function is `WSACreateEvent`.
    ///
    /// - Returns: the event; `nil` if there are already 64.
    package func makeEvent() -> EventObject? {
        let index = unsafe (~state.pointee.open).trailingZeroBitCount
        guard index < Self.capacity else { return nil }
        unsafe state.pointee.open |= 1 << UInt64(index)
        return EventObject(events: self, index: index)
    }

    /// The event of an index.
    @inlinable
    package subscript(index: Int) -> EventObject { EventObject(events: self, index: index) }

    /// The event of an index; `nil` if there is none.
    package func event(at index: Int) -> EventObject? {
        unsafe state.pointee.open & (1 << UInt64(index)) == 0
            ? nil : EventObject(events: self, index: index)
    }

    /// The lowest index from a given one on whose event is signalled: for the sweep that is
    /// necessary after a wait reports the lowest (ES-9, PF-15).
    @inlinable
    package func firstSignalled(from index: Int = 0) -> Int? {
        guard index < Self.capacity else { return nil }
        let bits = unsafe state.pointee.signalled & (~0 << UInt64(index))
        return bits == 0 ? nil : bits.trailingZeroBitCount
    }

    /// Signals the event of this index, if there is one; for a holder that counts no references.
    @inlinable
    package func signal(_ index: Int) {
        unsafe state.pointee.signalled |= (1 << UInt64(index)) & state.pointee.open
    }

    /// Resets the event of this index; for a holder that counts no references.
    @inlinable
    package func reset(_ index: Int) {
        unsafe state.pointee.signalled &= ~(1 << UInt64(index))
    }

    /// Takes the event at an index out.
    ///
    /// The corresponding Winsock function is `WSACloseEvent`.
    package func close(_ index: Int) {
        reset(index)
        unsafe state.pointee.open &= ~(1 << UInt64(index))
    }
}

@available(*, unavailable)
extension EventSet: Sendable {}

/// An event of an ``EventSet``: signalled or not.
///
/// For the thread of its set. Do not use it after ``close()``: its index may belong to another
/// event. The corresponding Winsock type is `WSAEVENT`.
@usableFromInline
package struct EventObject {
    /// Its set.
    @usableFromInline package let events: EventSet
    /// Its index in the set, which a wait returns.
    @usableFromInline package let index: Int

    @inlinable
    init(events: EventSet, index: Int) {
        self.events = events
        self.index = index
    }

    /// Whether it is signalled.
    @inlinable
    package var isSignalled: Bool { events.firstSignalled(from: index) == index }

    /// Signals it.
    ///
    /// The corresponding Winsock function is `WSASetEvent`.
    @inlinable
    package func signal() {
        events.signal(index)
    }

    /// Resets it.
    ///
    /// The corresponding Winsock function is `WSAResetEvent`.
    @inlinable
    package func reset() {
        events.reset(index)
    }

    /// Removes it from its set.
    ///
    /// The corresponding Winsock function is `WSACloseEvent`.
    package func close() {
        events.close(index)
    }
}

@available(*, unavailable)
extension EventSet.State: Sendable {}

@available(*, unavailable)
extension EventObject: Sendable {}

/// The result of a wait: what `WSAWaitForMultipleEvents` returns.
package enum WaitResult: Hashable, Sendable {
    /// The event at this index is signalled, and none below it (`WSA_WAIT_EVENT_0` + index, ES-9).
    case signalled(Int)
    /// An alertable wait has run what was queued to the thread (`WSA_WAIT_IO_COMPLETION`, CR-3).
    case routinesRan
    /// Nothing came in time (`WSA_WAIT_TIMEOUT`).
    case timedOut
    /// There was no event to wait on (`WSA_WAIT_FAILED`, `WSA_INVALID_PARAMETER`, ES-8).
    case noEvents
}
