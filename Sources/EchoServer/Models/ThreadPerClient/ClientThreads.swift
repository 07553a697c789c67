import EchoSockets
import Synchronization

/// The client threads of ``ThreadPerClientModel``: starts them, informs them of a shutdown, and
/// waits for them.
final class ClientThreads: Sendable {
    /// Informs one thread of a shutdown.
    final class Control: Sendable {
        private let clients: ClientThreads
        fileprivate let thread = Locked<Thread?>(nil)
        private let acknowledged = Atomic<UInt32>(0)

        fileprivate init(_ clients: ClientThreads) {
            self.clients = clients
        }

        /// The plan for shutting down, if there is one; read by the client's thread, each turn.
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
    private let threads = ThreadGroup()

    init() {
        _ = InterruptSignal.shared
    }

    /// Starts a client's thread.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    func start(_ body: @escaping @Sendable (Control) -> Void) throws(SystemError) {
        let control = Control(self)
        running.withLock { $0[ObjectIdentifier(control)] = control }
        do throws(SystemError) {
            try threads.start(name: Self.name, stackSize: 256 * 1024) { [self] in
                InterruptSignal.shared?.unblock()
                control.thread.withLock { $0 = .current }
                body(control)
                // Under the same lock: every thread found there is alive.
                control.thread.withLock { $0 = nil }
                leave(control)
            }
        } catch {
            leave(control)
            throw error
        }
    }

    private func leave(_ control: Control) {
        running.withLock { $0[ObjectIdentifier(control)] = nil }
    }

    /// Informs all threads, present and future.
    func drain(_ plan: DrainPlan) {
        self.plan.withLock { $0 = plan }
        version.wrappingAdd(1, ordering: .releasing)
        _ = interruptLate()
    }

    /// Makes a heartbeat wait for the threads that still exist although the plan's deadline has
    /// passed.
    ///
    /// Until then they may legitimately be blocked.
    func probe(_ heartbeat: Heartbeat) {
        guard let plan = plan.withLock({ $0 }), plan.deadline + .seconds(1) < .now,
            running.withLock({ !$0.isEmpty })
        else { return }
        heartbeat.expect(Self.name)
    }

    /// Starts no further thread.
    func close() {
        threads.close()
    }

    /// Waits until all threads have ended and none will be started.
    ///
    /// Interrupts each until it has acknowledged the latest plan: a thread that was just about to
    /// block misses the first signal.
    func join() {
        while true {
            let pause: Duration = interruptLate() ? .milliseconds(2) : .milliseconds(20)
            if threads.join(until: .now + pause) { return }
        }
    }

    // Interrupts those that have not acknowledged the latest plan.
    private func interruptLate() -> Bool {
        let version = version.load(ordering: .acquiring)
        let late = running.withLock { $0.values.filter { !$0.hasAcknowledged(version) } }
        for control in late { control.interrupt() }
        return !late.isEmpty
    }
}
