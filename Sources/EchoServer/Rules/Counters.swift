import EchoSockets
import Synchronization

/// Counts of one serving thread.
///
/// That thread alone writes them, so a count costs a load and a store; any thread reads.
final class Counters: Sendable {
    private let bytesReceived = Atomic<UInt64>(0)
    private let bytesSent = Atomic<UInt64>(0)
    private let pauses = Atomic<UInt64>(0)
    private let signal: ActivitySignal?

    /// Counters that signal activity, if a thread waits for it.
    init(_ signal: ActivitySignal?) {
        self.signal = signal
    }

    /// Counts bytes received that are to be echoed.
    func received(_ count: Int) {
        add(count, to: bytesReceived)
    }

    /// Counts bytes sent back.
    func sent(_ count: Int) {
        add(count, to: bytesSent)
    }

    /// Counts a connection that reached the high-water mark.
    func paused() {
        add(1, to: pauses)
    }

    @inline(__always)
    private func add(_ count: Int, to counter: borrowing Atomic<UInt64>) {
        let sum = counter.load(ordering: .relaxed) &+ UInt64(truncatingIfNeeded: count)
        // Whoever sees what was sent sees that it was received.
        counter.store(sum, ordering: .releasing)
        signal?.tell()
    }

    fileprivate var sentSum: UInt64 { bytesSent.load(ordering: .acquiring) }
    fileprivate var receivedSum: UInt64 { bytesReceived.load(ordering: .relaxed) }
    fileprivate var pausesSum: UInt64 { pauses.load(ordering: .relaxed) }
}

/// Sums over threads.
struct CounterTotals: Sendable {
    var bytesReceived: UInt64 = 0
    /// Never more than have been received.
    var bytesSent: UInt64 = 0
    var pauses: UInt64 = 0

    // What is sent is looked at first, of all threads: one may send what another has received.
    fileprivate mutating func add(_ all: [Counters]) {
        for counters in all { bytesSent += counters.sentSum }
        for counters in all {
            bytesReceived += counters.receivedSum
            pauses += counters.pausesSum
        }
    }
}

/// The counters of all serving threads, including those that have ended.
final class CounterGroup: Sendable {
    private struct State {
        var live: [Counters] = []
        var retired = CounterTotals()
        var signal: ActivitySignal?
    }

    private let state = Locked(State())

    /// New counters, for a new thread.
    func add() -> Counters {
        state.withLock { state in
            let counters = Counters(state.signal)
            state.live.append(counters)
            return counters
        }
    }

    /// Signals everything that is counted from now on.
    func notify(_ signal: ActivitySignal) {
        state.withLock { $0.signal = signal }
    }

    /// Keeps the sums of a thread that has ended, and forgets its counters.
    func retire(_ counters: Counters) {
        state.withLock { state in
            state.retired.add([counters])
            state.live.removeAll { $0 === counters }
        }
    }

    /// The sums now.
    var totals: CounterTotals {
        state.withLock { state in
            var totals = state.retired
            totals.add(state.live)
            return totals
        }
    }
}
