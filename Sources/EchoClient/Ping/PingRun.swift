import EchoProactor
import EchoSockets
import Synchronization

/// Tells a run what to do, from any thread.
package final class PingControl: Sendable {
    /// Ends the run.
    package let stop = ClientStop()
    private let isAsked = Atomic(false)

    /// Nothing to do yet.
    package init() {}

    /// Asks for a report of what has been measured so far.
    package func askForReport() {
        isAsked.store(true, ordering: .releasing)
        stop.wake()
    }

    fileprivate func takeQuestion() -> Bool {
        isAsked.exchange(false, ordering: .acquiringAndReleasing)
    }
}

/// A run: all endpoints, on the thread of a loop.
final class PingRun {
    private let ping: EchoPing
    private let loop: ClientLoop
    private let control: PingControl
    private let ledger: PingLedger
    private var targets: [PingTarget] = []
    private let lookUps: NameLookUps
    private var awaited = 0

    /// A run that has not begun.
    ///
    /// - Parameters:
    ///   - ping: what to do.
    ///   - loop: made with the control's stop.
    ///   - control: tells it what to do.
    ///   - onProbe: is told what becomes of each probe.
    init(
        _ ping: EchoPing,
        _ loop: ClientLoop,
        _ control: PingControl,
        _ onProbe: @escaping (EchoPing.Probe) -> Void
    ) {
        self.ping = ping
        self.loop = loop
        self.control = control
        lookUps = NameLookUps(of: ping.endpoints.map(\.value), wakes: control.stop)
        ledger = PingLedger(endpoints: ping.endpoints.count, onProbe)
    }

    /// What has been measured so far.
    var report: EchoPing.Report {
        EchoPing.Report(
            duration: MonotonicTime.now - ledger.start,
            endpoints: targets.map(\.report),
            lateness: ledger.lateness.times
        )
    }

    /// Runs until every probe is settled, or the run is stopped.
    ///
    /// - Parameter onQuestion: is told what has been measured when somebody asks.
    /// - Throws: `EAGAIN` when the system allows no thread for looking up names.
    func run(_ onQuestion: (EchoPing.Report) -> Void) throws(SystemError) {
        targets = ping.endpoints.indices.map { PingTarget(ping, $0, loop, ledger) }
        awaited = lookUps.count
        try lookUps.start()
        for (target, endpoint) in zip(targets, ping.endpoints.map(\.value))
        where !endpoint.needsLookUp {
            do throws(Endpoint.ResolutionError) {
                target.begin(try endpoint.resolve(), resolve: nil)
            } catch {
                target.end(ConnectError(endpoint, .resolution(error)), resolve: nil)
            }
        }
        loop.run {
            if awaited > 0 { takeAnswers() }
            if control.takeQuestion() { onQuestion(report) }
            return ledger.live == 0
        }
    }

    /// Closes the connections.
    func end() {
        for target in targets { target.stop() }
        // Lets go of what was pending.
        _ = loop.loop.sleep(for: .zero, alertable: true)
    }

    private func takeAnswers() {
        for answer in lookUps.fetch() {
            awaited -= 1
            let target = targets[answer.index]
            switch answer.addresses {
            case .success(let addresses): target.begin(addresses, resolve: answer.duration)
            case .failure(let error):
                let endpoint = ping.endpoints[answer.index].value
                target.end(ConnectError(endpoint, .resolution(error)), resolve: answer.duration)
            }
        }
    }
}
