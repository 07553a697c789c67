import EchoServer
import EchoSockets

/// Keeps the service manager informed, if there is one: readiness, status, watchdog, shutdown.
///
/// A separate thread does this rather than a task: tasks run on Dispatch threads, which request a
/// higher priority than a service may have and complain to the system's log. Any thread.
final class ServiceReporter: Sendable {
    private struct State {
        var isStopping = false
        var isOver = false
    }

    /// What has been reported.
    private struct Report {
        let status: String
        let changes: UInt64
    }

    private let server: EchoServer
    private let notifier: ServiceNotifier
    private let introduction: String
    private let state = Locked(State())
    private let news = Gate()

    /// The shortest time between two status messages.
    private static let statusInterval: Duration = .seconds(3)
    /// How often the manager is notified that stopping is in progress.
    private static let extensionInterval: Duration = .seconds(3)
    /// The manager may give up after this much silence.
    private static let extensionLength: Duration = .seconds(15)

    /// Reports that every endpoint of a started server accepts connections, and keeps reporting
    /// until ``end()``.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    init(_ server: EchoServer, _ notifier: ServiceNotifier) throws(SystemError) {
        self.server = server
        self.notifier = notifier
        let endpoints = server.endpoints.map(\.description).joined(separator: ", ")
        introduction = "\(server.configuration.model.rawValue) on \(endpoints)"
        let first = Report(status: status(isStopping: false), changes: 0)
        notifier.send(.ready, .status(first.status))
        try Thread(name: "reporter") { [self] in report(after: first) }.detach()
    }

    /// Reports that the server cannot start, and why.
    static func report(_ error: any Error, _ message: String, to notifier: ServiceNotifier?) {
        let status = ServiceNotifier.Message.status(message)
        if let number = (error as? EchoServer.Failure)?.errorNumber {
            notifier?.send(.errno(number), status)
        } else {
            notifier?.send(status)
        }
    }

    /// Reports that the server stops, and repeats this until the time for stopping is over.
    func stopping() {
        state.withLock { $0.isStopping = true }
        let status = status(isStopping: true)
        notifier.send(.stopping, .status(status), .extendTimeout(Self.extensionLength))
        news.open()
    }

    /// Stops reporting.
    func end() {
        state.withLock { $0.isOver = true }
        news.open()
    }

    private func report(after first: Report) {
        var last = first
        var statusDue = MonotonicTime.now + Self.statusInterval
        // Twice within the time after which the manager would kill the service.
        let interval = notifier.watchdogTimeout.map { $0 / 2 }
        var watchdogDue = interval == nil ? nil : MonotonicTime.now
        var extending: (due: MonotonicTime, end: MonotonicTime)?
        expectChange(from: last)
        while true {
            let state = state.withLock { $0 }
            if state.isOver { return }
            let now = MonotonicTime.now
            if let interval, let due = watchdogDue, due <= now {
                feedWatchdog(within: interval)
                watchdogDue = max(due + interval, now)
            }
            if state.isStopping {
                extending = extendStopping(extending, now)
            } else if server.connectionChanges != last.changes, statusDue <= now {
                last = reportStatus(after: last)
                statusDue = now + Self.statusInterval
                expectChange(from: last)
            }
            let isChanged = !state.isStopping && server.connectionChanges != last.changes
            sleep(until: [watchdogDue, extending?.due, isChanged ? statusDue : nil])
        }
    }

    private func sleep(until moments: [MonotonicTime?]) {
        guard let first = moments.compactMap({ $0 }).min() else { return news.wait() }
        news.wait(until: first)
    }

    // While no connection comes or goes, nothing runs.
    private func expectChange(from report: Report) {
        server.onConnectionsChange(from: report.changes) { [news] in news.open() }
    }

    private func reportStatus(after last: Report) -> Report {
        let changes = server.connectionChanges
        let report = Report(status: status(isStopping: false), changes: changes)
        if report.status != last.status { notifier.send(.status(report.status)) }
        return report
    }

    // Only if every loop of the server has turned since it was asked.
    private func feedWatchdog(within interval: Duration) {
        if server.hangingLoops(within: interval)?.isEmpty == true { notifier.send(.watchdog) }
    }

    private func extendStopping(
        _ last: (due: MonotonicTime, end: MonotonicTime)?,
        _ now: MonotonicTime
    ) -> (due: MonotonicTime, end: MonotonicTime) {
        let span = server.configuration.shutdownDelay + server.configuration.drainTimeout
        let end = last?.end ?? (now + span)
        guard let due = last?.due else { return (now + Self.extensionInterval, end) }
        guard due <= now, now < end else { return (now < end ? due : .distantFuture, end) }
        if server.hangingLoops(within: Self.extensionInterval)?.isEmpty == true {
            notifier.send(.extendTimeout(Self.extensionLength))
        }
        return (now + Self.extensionInterval, end)
    }

    // Until the server shuts down and its delay is over, there are endpoints.
    private func prefix(isStopping: Bool) -> String {
        guard isStopping else { return "" }
        let leaves = server.configuration.shutdownDelay > .zero && !server.endpoints.isEmpty
        return leaves ? "shutting down, still accepting: " : "draining: "
    }

    private func status(isStopping: Bool) -> String {
        let statistics = server.statistics
        return prefix(isStopping: isStopping) + introduction
            + "; connections: \(statistics.active) active, \(statistics.accepted) accepted, "
            + "\(statistics.rejectedTotal) rejected; version \(EchoServer.version)"
    }
}

extension MonotonicTime {
    fileprivate static let distantFuture = MonotonicTime(nanoseconds: .max)
}
