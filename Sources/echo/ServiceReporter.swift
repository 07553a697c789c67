import EchoServer
import Sockets

/// Keeps the service manager informed, if there is one: readiness, status, watchdog, shutdown.
struct ServiceReporter: Sendable {
    private let server: EchoServer
    private let notifier: ServiceNotifier?
    private let introduction: String
    private let isStopping = SharedFlag()

    /// The status is told at most so often.
    private static let statusInterval: Duration = .seconds(3)
    /// How often the manager is told that draining goes on.
    private static let extensionInterval: Duration = .seconds(3)
    /// The manager may give up when it has heard nothing for so long.
    private static let extensionLength: Duration = .seconds(15)

    /// Reports about a server that has started.
    init(_ server: EchoServer, _ notifier: ServiceNotifier?) {
        self.server = server
        self.notifier = notifier
        let endpoints = server.endpoints.map(\.description).joined(separator: ", ")
        introduction = "\(server.configuration.model.rawValue) on \(endpoints)"
    }

    /// Says that there will be no server, and why.
    static func report(_ error: any Error, to notifier: ServiceNotifier?) {
        let status = ServiceNotifier.Message.status(Exit.message(for: error))
        if let number = (error as? EchoServer.Failure)?.errorNumber {
            notifier?.send(.errno(number), status)
        } else {
            notifier?.send(status)
        }
    }

    /// What has been reported.
    struct Report: Sendable {
        let status: String
        let changes: UInt64
    }

    /// Says that every endpoint accepts.
    func ready() -> Report {
        let report = Report(status: status, changes: 0)
        notifier?.send(.ready, .status(report.status))
        return report
    }

    /// Goes on from a first report, until the task is cancelled.
    func run(after report: Report) async {
        guard let notifier else { return }
        await withTaskGroup { group in
            group.addTask { await reportStatus(to: notifier, after: report) }
            group.addTask { await feedWatchdog(of: notifier) }
        }
    }

    // Without connections that come or go, nothing runs.
    private func reportStatus(to notifier: ServiceNotifier, after first: Report) async {
        var last = first
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.statusInterval)
            await server.connectionsChange(from: last.changes)
            let changes = server.connectionChanges
            let report = Report(status: status, changes: changes)
            if report.status != last.status, !Task.isCancelled {
                notifier.send(.status(report.status))
            }
            last = report
        }
    }

    // Twice in the time after which the manager would end the service, and only if every loop of
    // the server has turned since it was asked.
    private func feedWatchdog(of notifier: ServiceNotifier) async {
        guard let timeout = notifier.watchdogTimeout else { return }
        let interval = timeout / 2
        while !Task.isCancelled {
            // The clock of the manager's watchdog: it stands still while the machine sleeps.
            let next = SuspendingClock.now + interval
            if await server.isResponsive(within: interval) { notifier.send(.watchdog) }
            try? await Task.sleep(until: next, clock: .suspending)
        }
    }

    /// Says that it is shutting down.
    func stopping() {
        isStopping.set()
        notifier?.send(.stopping, .status(status), .extendTimeout(Self.extensionLength))
    }

    /// Goes on saying that it is shutting down, until the task is cancelled or the time for that is
    /// over.
    func extendStopping() async {
        guard let notifier else { return }
        let configuration = server.configuration
        let end = SuspendingClock.now + configuration.shutdownDelay + configuration.drainTimeout
        while !Task.isCancelled, .now < end {
            try? await Task.sleep(for: Self.extensionInterval)
            if await server.isResponsive(within: Self.extensionInterval) {
                notifier.send(.extendTimeout(Self.extensionLength))
            }
        }
    }

    // Before the server has been told, and until its delay is over, there are endpoints.
    private var prefix: String {
        guard isStopping.isSet else { return "" }
        let leaves = server.configuration.shutdownDelay > .zero && !server.endpoints.isEmpty
        return leaves ? "shutting down, still accepting: " : "draining: "
    }

    private var status: String {
        let statistics = server.statistics
        return prefix + introduction
            + "; connections: \(statistics.active) active, \(statistics.accepted) accepted, "
            + "\(statistics.rejectedTotal) rejected; version \(EchoServer.version)"
    }
}

/// Something that becomes true, for all who look.
private final class SharedFlag: Sendable {
    private let value = Locked(false)

    var isSet: Bool { value.withLock { $0 } }

    func set() {
        value.withLock { $0 = true }
    }
}
