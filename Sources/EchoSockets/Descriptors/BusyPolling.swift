import Synchronization

/// Decides whether a loop that has nothing to do polls for a while before it sleeps.
///
/// To wake takes a thread some microseconds, for which a lone message waits. But a thread that
/// polls keeps a processor from others. So a loop polls only as long as that pays. After a poll in
/// vain it sleeps, and looks on at waits that were short enough for a poll to end them: one, and
/// twice as many after each further poll in vain, before it tries again. A loop that is idle has no
/// such waits, and never polls. Nor do more threads poll at a time than leave a processor to
/// others; one may where there is only one.
///
/// The halt polling of KVM adapts in a similar way. A value of one thread:
///
///     if polling.isHot, look() { return }
///     var wait = polling.begin()
///     while wait.polls {
///         if look() { return polling.found(wait) }
///         wait.noteTime()
///     }
///     sleep()
///     polling.slept(wait)
package struct BusyPolling {
    /// What ``init(_:)`` takes for `nil`: about what sleeping and being woken take together.
    package static var automaticBudget: Duration { .microseconds(50) }

    // Short waits to be seen before the first poll: a lone message is no reason for it.
    private static var initialHoldOff: Int { 8 }
    private static var longestHoldOff: Int { 256 }
    // A thread that has not run for so long has lost its processor to another.
    private static var interruption: Int64 { 2_000_000 }

    @usableFromInline let limit: Int64
    private let seats: Seats
    // Short waits to be seen before the next poll.
    @usableFromInline var holdOff = Self.initialHoldOff
    private var nextHoldOff = 1

    /// A loop that never polls.
    package static var off: BusyPolling { BusyPolling(.zero) }

    /// A loop that polls for at most `budget` before it sleeps; `nil` stands for
    /// ``automaticBudget``, zero for never.
    package init(_ budget: Duration?) {
        self.init(budget, Seats.ofProcess)
    }

    init(_ budget: Duration?, _ seats: Seats) {
        limit = (budget ?? Self.automaticBudget).nanoseconds
        self.seats = seats
    }

    /// Seats for the threads that poll.
    final class Seats: Sendable {
        static let ofProcess = Seats(max(1, Processors.available - 1))

        private let count: Int
        private let taken = Atomic<Int>(0)

        init(_ count: Int) {
            self.count = count
        }

        func take() -> Bool {
            if taken.add(1, ordering: .relaxed).oldValue < count { return true }
            leave()
            return false
        }

        func leave() {
            taken.subtract(1, ordering: .relaxed)
        }
    }

    /// Whether it ever polls; if not, there is nothing to be told.
    @inlinable
    package var isOn: Bool { limit > 0 }

    /// How long it polls at most; `nil` if it never does.
    package var budget: Duration? { isOn ? .nanoseconds(limit) : nil }

    /// Whether its last polls have paid.
    @inlinable
    package var isHot: Bool { isOn && holdOff == 0 }

    /// A wait, from its beginning on.
    package struct Wait {
        fileprivate let began: Int64
        fileprivate var now: Int64
        // Until when to poll; before `began` if not at all.
        fileprivate let end: Int64
        fileprivate var isInterrupted = false

        /// Whether to look again before sleeping.
        package var polls: Bool { now < end && !isInterrupted }

        fileprivate var hasPolled: Bool { end > began }

        /// Notes that it has looked in vain.
        package mutating func noteTime() { noteTime(.now) }

        mutating func noteTime(_ moment: MonotonicTime) {
            if moment.nanoseconds - now > BusyPolling.interruption { isInterrupted = true }
            now = moment.nanoseconds
        }
    }

    /// Begins a wait, which ends with ``found(_:)`` or ``slept(_:)``.
    ///
    /// - Parameter latest: when the caller has something else to do; it polls only if all of its
    ///   budget fits in before.
    /// - Returns: the wait, which says whether to poll.
    package mutating func begin(_ latest: MonotonicTime? = nil) -> Wait { begin(latest, .now) }

    mutating func begin(_ latest: MonotonicTime?, _ moment: MonotonicTime) -> Wait {
        let now = moment.nanoseconds
        let (end, overflow) = now.addingReportingOverflow(limit)
        let fits = !overflow && end <= latest?.nanoseconds ?? .max
        let polls = holdOff == 0 && fits && seats.take()
        return Wait(began: now, now: now, end: polls ? end : now - 1)
    }

    /// Notes that a poll has ended a wait.
    package mutating func found(_ wait: Wait) { found(wait, .now) }

    mutating func found(_ wait: Wait, _ moment: MonotonicTime) {
        var wait = wait
        seats.leave()
        wait.noteTime(moment)
        if wait.isInterrupted { pollLess() } else { nextHoldOff = 1 }
    }

    /// Notes that the loop has slept and been woken.
    package mutating func slept(_ wait: Wait) { slept(wait, .now) }

    mutating func slept(_ wait: Wait, _ moment: MonotonicTime) {
        if wait.hasPolled {
            seats.leave()
            pollLess()
        } else if holdOff > 0, moment.nanoseconds - wait.began <= limit {
            holdOff -= 1
        }
    }

    private mutating func pollLess() {
        holdOff = nextHoldOff
        nextHoldOff = min(nextHoldOff * 2, Self.longestHoldOff)
    }
}
