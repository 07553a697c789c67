import EchoSockets
import Glibc

/// Indicates completions by routines that run on the thread that posted the operations, and only
/// while it waits alertably (CR-1 to CR-9).
///
/// Belongs to the thread that makes it. Operations without a ``Operation/routine`` set their event
/// instead, so that one wait serves both. Operations with one are refused on any other thread
/// (`EPERM`); closing, cancelling and ``queueRoutine(_:)`` are for all.
package final class AlertableThread: EventProactor, @unchecked Sendable {
    private let owner = pthread_self()
    /// Routines in the order of completion.
    ///
    /// Guarded by the monitor.
    private var routines = PacketQueue()
    /// How many routines may run before other sockets get a turn (CR-9).
    private static let routinesPerTurn = 64

    deinit {
        while let packet = routines.removeFirst() { packet.release() }
    }

    // MARK: Queueing

    /// Has a body run on the owning thread, in its next alertable wait.
    ///
    /// The corresponding Windows function is `QueueUserAPC`. Any thread.
    package func queueRoutine(_ body: @escaping @Sendable () -> Void) {
        let operation = Operation()
        operation.routine = { _, _, _ in body() }
        queueRoutine(
            unsafe Packet(
                key: 0,
                socket: .none,
                kind: .posted,
                byteCount: 0,
                operation: .passRetained(operation),
                lease: nil
            )
        )
    }

    private func queueRoutine(_ packet: Packet) {
        monitor.lock()
        routines.append(packet)
        unlockAndTell()
    }

    override func deliver(_ packet: Packet) {
        if packet.operation?.routine == nil {
            super.deliver(packet)
        } else {
            queueRoutine(packet)
        }
    }

    override func prepare(_ operation: Operation) -> Errno? {
        guard operation.routine != nil else { return super.prepare(operation) }
        return isOwnThread ? nil : Errno(rawValue: EPERM)
    }

    // MARK: Waiting

    /// Waits for nothing but time and, if alertable, routines.
    ///
    /// The corresponding Windows function is `SleepEx`. The owning thread only.
    ///
    /// Transfers are carried out in either case, as they would be by a kernel; without `alertable`
    /// no routine runs (CR-1).
    ///
    /// - Parameters:
    ///   - timeout: how long; `nil` for ever, zero runs what is queued.
    ///   - alertable: whether routines may run and end the wait.
    /// - Returns: ``EventWaitOutcome/routinesRan``, ``EventWaitOutcome/timedOut``, or
    ///   ``EventWaitOutcome/invalidParameter`` on a thread that is not the owner.
    package func sleep(for timeout: Duration?, alertable: Bool) -> EventWaitOutcome {
        guard isOwnThread else { return .invalidParameter }
        return wait([], all: false, until: Deadline(after: timeout), alertable: alertable)
    }

    override var hasRoutines: Bool { !routines.isEmpty }

    override var isOwnThread: Bool { pthread_equal(owner, pthread_self()) != 0 }

    /// Runs what is queued, and what that queues; and lets the sockets whose turn has come have it,
    /// so that their routines need no wait of their own.
    override func runRoutines() {
        monitor.lock()
        var turns = queue.count
        monitor.unlock()
        var budget = Self.routinesPerTurn
        while true {
            monitor.lock()
            if let packet = budget > 0 ? routines.removeFirst() : nil {
                monitor.unlock()
                Self.run(packet)
                budget -= 1
            } else if budget == 0 {
                // Routines that queue routines must not keep the other sockets out (CR-9).
                budget = Self.routinesPerTurn
                turns = max(turns, 1)
                lookAround()
            } else if turns > 0, !queue.isEmpty {
                turns -= 1
                _ = advance(until: .now)
            } else {
                monitor.unlock()
                return
            }
        }
    }

    // One look for edges, and one turn. Entered with the monitor, left without.
    private func lookAround() {
        if queue.isEmpty {
            _ = advance(until: .now)
            monitor.lock()
        }
        guard !queue.isEmpty else {
            monitor.unlock()
            return
        }
        _ = advance(until: .now)
    }

    private static func run(_ packet: Packet) {
        if let operation = packet.operation, let routine = operation.routine {
            routine(packet.error, packet.number == 0 ? packet.byteCount : 0, operation)
        }
        packet.release()
    }

    /// Cancels every pending operation, as Windows does when a thread ends (OV-10).
    ///
    /// Call it at the thread's end; an alertable wait then runs the routines, with `ECANCELED`.
    package func cancelEverything() {
        for handle in openSockets { cancelAll(on: handle) }
    }
}
