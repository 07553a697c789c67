import EchoSockets

/// What comes together of one endpoint's probes.
struct PingTally {
    private var report: EchoPing.EndpointReport
    private var roundTrips = TimeRecorder()
    private var connects = TimeRecorder()
    private var differences = 0.0
    private var lastRoundTrip: Duration?

    /// Nothing yet.
    init(_ endpoint: EchoEndpoint) {
        report = EchoPing.EndpointReport(endpoint)
    }

    /// What has come together so far.
    var current: EchoPing.EndpointReport {
        var report = report
        report.roundTrip = roundTrips.times
        report.connect = connects.times
        if report.received > 1 {
            let jitter = differences / Double(report.received - 1)
            report.jitter = .nanoseconds(Int64(jitter.rounded()))
        }
        return report
    }

    /// Notes how long looking up the name took, and why it has no address.
    mutating func note(resolve: Duration?, failure: ConnectError? = nil) {
        report.resolve = resolve
        guard let failure else { return }
        report.connectError = failure
        report.lastFailure = "\(failure.reason)"
    }

    /// Counts a probe as sent.
    mutating func noteSent() {
        report.sent += 1
    }

    /// Notes a connection.
    mutating func noteConnection(to address: String, after duration: Duration) {
        report.connections += 1
        report.address = address
        report.connectError = nil
        connects.record(duration)
    }

    /// Notes the address that datagrams are sent to.
    mutating func note(address: String) {
        report.address = address
    }

    /// Notes that nothing is there that could answer datagrams.
    mutating func note(refusal: ConnectError) {
        report.connectError = refusal
    }

    /// Notes the end of a connection, or that there was none.
    mutating func noteEnd(_ failure: ConnectError?, surplus: String?) {
        if let failure {
            if !report.endpoint.isDatagram { report.failedConnections += 1 }
            report.connectError = failure
        }
        if let surplus {
            report.surplus += 1
            report.lastFailure = surplus
        }
    }

    /// Counts what has become of a probe.
    ///
    /// - Parameters:
    ///   - outcome: what has become of it.
    ///   - wasLost: whether it had been counted as lost before.
    mutating func note(_ outcome: EchoPing.Outcome, wasLost: Bool) {
        switch outcome {
        case .received(let roundTrip):
            report.received += 1
            report.connectError = nil
            roundTrips.record(roundTrip)
            if let last = lastRoundTrip {
                differences += Double((roundTrip - last).nanoseconds.magnitude)
            }
            lastRoundTrip = roundTrip
        case .lost(let reason):
            report.lost += 1
            report.lastFailure = reason
        case .late: report.late += 1
        case .duplicate: report.duplicates += 1
        case .wrong(let evidence):
            if wasLost { report.lost -= 1 }
            report.wrong += 1
            report.lastFailure = evidence
        case .surplus(let evidence):
            report.surplus += 1
            report.lastFailure = evidence
        case .missed(let count): report.missed += count
        }
    }
}
