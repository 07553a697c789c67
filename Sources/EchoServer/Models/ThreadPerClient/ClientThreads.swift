import EchoSockets
import Synchronization

/// The threads of the clients of ``ThreadPerClientModel``: starts them, tells them that the
/// server is shutting down, and waits for them.
final class ClientThreads: Sendable {
    /// How one thread learns of a shutdown.
    final class Control: Sendable {
        private let clients: ClientThreads
        fileprivate let thread = Locked<Thread?>(nil)
        private let acknowledged = Atomic<UInt32>(0)

        fileprivate init(_ clients: ClientThreads) {
            self.clients = clients
        }

        /// The plan for shutting down, if there is one; by the client's thread, each turn.
        func acknowledge() -> DrainPlan? {
            let version = clients.version.load(ordering: .acquiring)
            guard version != 0 else { return nil }
            acknowledged.store(version, ordering: .relaxed)
            return clients.plan.withLock { $0 }
        }

        fileprivate func hasAcknowledged(_ version: UInt32) -> Bool {
            acknowledged.load(ordering: .relaxed) == version
        }

        fileprivate func interrupt() {
            guard let signal = InterruptSignal.shared else { return }
            thread.withLock { $0?.interrupt(with: signal) }
        }
    }

    private static let name = "client"

    private let plan = Locked<DrainPlan?>(nil)
    private let version = Atomic<UInt32>(0)
    private let running = Locked<[ObjectIdentifier: Control]>([:])
    private let isClosed = Atomic(false)
    private let changed: Wakeup

    init() throws(SystemError) {
        changed = try Wakeup()
        _ = InterruptSignal.shared
    }

    /// Starts a client's thread.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    func start(_ body: @escaping @Sendable (Control) -> Void) throws(SystemError) {
        let control = Control(self)
        running.withLock { $0[ObjectIdentifier(control)] = control }
        // Held while the thread is made, so that its handle is there before the thread can end;
        // taken away under the same lock: whatever handle is found there is of a live thread.
        let failure = control.thread.withLock { thread -> SystemError? in
            do throws(SystemError) {
                thread = try Thread(name: Self.name, stackSize: 256 * 1024) { [self] in
                    InterruptSignal.shared?.unblock()
                    body(control)
                    control.thread.withLock { $0.take()?.detach() }
                    leave(control)
                }
                return nil
            } catch {
                return error
            }
        }
        guard let failure else { return }
        leave(control)
        throw failure
    }

    private func leave(_ control: Control) {
        let isLast = running.withLock { running in
            running[ObjectIdentifier(control)] = nil
            return running.isEmpty
        }
        if isLast { changed.signal() }
    }

    /// Tells all threads, present and future.
    func drain(_ plan: DrainPlan) {
        self.plan.withLock { $0 = plan }
        version.wrappingAdd(1, ordering: .releasing)
        changed.signal()
    }

    /// Has a heartbeat wait for the threads that are still there although the end of the plan has
    /// passed.
    ///
    /// Until then they may rightly be blocked.
    func probe(_ heartbeat: Heartbeat) {
        guard let plan = plan.withLock({ $0 }), plan.deadline + .seconds(1) < .now,
            running.withLock({ !$0.isEmpty })
        else { return }
        heartbeat.expect(Self.name)
    }

    /// Notes that no further thread will be started.
    func close() {
        isClosed.store(true, ordering: .releasing)
        changed.signal()
    }

    /// Waits until all threads have ended and none will be started.
    ///
    /// Interrupts each until it has acknowledged the latest plan: a thread that was just about to
    /// block misses the first signal.
    func join() {
        while true {
            let closed = isClosed.load(ordering: .acquiring)
            let controls = running.withLock { Array($0.values) }
            if controls.isEmpty, closed { return }
            let version = version.load(ordering: .acquiring)
            let late = controls.filter { !$0.hasAcknowledged(version) }
            for control in late { control.interrupt() }
            changed.wait(atMost: late.isEmpty ? .milliseconds(100) : .milliseconds(2))
            changed.clear()
        }
    }
}
