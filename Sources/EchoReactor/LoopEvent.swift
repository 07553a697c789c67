import EchoSockets
import Synchronization

/// A flag that threads set and wait for: the event object of `WSAEventSelect`.
///
/// Lives in user space: no descriptor, and setting it from within the loop that waits for it costs
/// no system call. Sendable: set, reset and test it from any thread.
package final class LoopEvent: Sendable {
    private static let signalledBit: UInt32 = 1
    private static let closedBit: UInt32 = 2

    // Two threads' steps depend on each other here: "set the flag, then look for waiters" and
    // "become a waiter, then look at the flag". Hence the sequential consistency below.
    private let state = Atomic<UInt32>(0)
    private let waiters = Locked<[LoopWaker]>([])
    // Summary of the waiters: 0 for none, the one's identity, 1 for several.
    private let soleWaiter = Atomic<UInt>(0)

    /// Whether a satisfied wait resets it.
    package let resetsAutomatically: Bool

    // Taking several auto-reset events must be one step (ES-10).
    private static let taking = Locked(())

    /// Makes an event that is not signalled.
    ///
    /// The corresponding functions are `WSACreateEvent`, and `CreateEvent` for one that resets
    /// automatically (ES-2).
    package init(resetsAutomatically: Bool = false) {
        self.resetsAutomatically = resetsAutomatically
    }

    /// Whether it is signalled.
    ///
    /// Changes nothing; no system call.
    package var isSignalled: Bool {
        state.load(ordering: .acquiring) & Self.signalledBit != 0
    }

    /// Whether ``close()`` has been called.
    package var isClosed: Bool {
        state.load(ordering: .acquiring) & Self.closedBit != 0
    }

    /// Signals it and wakes who waits for it.
    ///
    /// The corresponding function is `WSASetEvent`.
    package func set() {
        if raise(Self.signalledBit) { wakeWaiters(except: nil) }
    }

    /// Signals it from within a turn of a loop, which needs no waking.
    ///
    /// - Parameter own: the identity of that loop's waker.
    func set(within own: UInt) {
        guard !isSignalled, raise(Self.signalledBit) else { return }
        let waiter = soleWaiter.load(ordering: .sequentiallyConsistent)
        if waiter != 0 && waiter != own { wakeWaiters(except: own) }
    }

    /// Makes it not signalled.
    ///
    /// The corresponding function is `WSAResetEvent`.
    package func reset() {
        state.bitwiseAnd(~Self.signalledBit, ordering: .sequentiallyConsistent)
    }

    /// Makes every wait for it, present and future, fail (ES-11).
    ///
    /// The corresponding function is `WSACloseEvent`.
    package func close() {
        if raise(Self.closedBit) { wakeWaiters(except: nil) }
    }

    private func raise(_ bit: UInt32) -> Bool {
        state.bitwiseOr(bit, ordering: .sequentiallyConsistent).oldValue & bit == 0
    }

    private func wakeWaiters(except own: UInt?) {
        guard soleWaiter.load(ordering: .sequentiallyConsistent) != 0 else { return }
        let wakers = waiters.withLock { $0 }
        for waker in wakers where waker.identity != own { waker.wake() }
    }

    // It stays a waiter: a loop usually waits for the same events again and again.
    private func attach(_ waker: LoopWaker) {
        waiters.withLock { wakers in
            wakers.removeAll { $0.isAbandoned }
            if !wakers.contains(where: { $0 === waker }) { wakers.append(waker) }
            soleWaiter.store(
                wakers.count == 1 ? waker.identity : 1,
                ordering: .sequentiallyConsistent
            )
        }
    }

    /// What a waiter finds.
    enum Found {
        case nothing
        case signalled
        case closed
    }

    /// Has a loop woken by ``set()`` from now on, and says what it would find now.
    func offer(to waker: LoopWaker) -> Found {
        if soleWaiter.load(ordering: .relaxed) != waker.identity { attach(waker) }
        let bits = state.load(ordering: .sequentiallyConsistent)
        if bits & Self.closedBit != 0 { return .closed }
        return bits & Self.signalledBit != 0 ? .signalled : .nothing
    }

    /// Satisfies a wait: resets it if that is its nature.
    ///
    /// - Returns: whether it was still signalled.
    func take() -> Bool {
        guard resetsAutomatically else { return true }
        return Self.taking.withLock { _ in
            guard isSignalled else { return false }
            reset()
            return true
        }
    }

    /// Satisfies a wait for all of several, or changes nothing.
    static func takeAll(_ events: [LoopEvent]) -> Bool {
        guard events.contains(where: \.resetsAutomatically) else { return true }
        return taking.withLock { _ in
            guard events.allSatisfy(\.isSignalled) else { return false }
            for event in events where event.resetsAutomatically { event.reset() }
            return true
        }
    }
}
