import EchoSockets
import Synchronization

/// Wakes an ``EventLoop`` from any thread.
///
/// The only part of a loop that other threads may hold.
///
/// Any number of wakes cost one eventfd write until the loop has handled them.
package final class LoopWaker: Sendable {
    private let wakeup: Wakeup
    private let isPending = Atomic<Bool>(false)

    init() throws(SystemError) {
        wakeup = try Wakeup()
    }

    /// Makes the loop's current or next turn end and its `onWake` run.
    ///
    /// From any thread.
    ///
    /// What the caller wrote before is visible to `onWake`.
    package func wake() {
        if !isPending.exchange(true, ordering: .acquiringAndReleasing) { wakeup.signal() }
    }

    var number: CInt { wakeup.number }

    // In this order: a wake that comes in between leaves no mark on the descriptor, and its work
    // is found by the onWake that follows.
    func clear() {
        wakeup.clear()
        _ = isPending.exchange(false, ordering: .acquiringAndReleasing)
    }
}
