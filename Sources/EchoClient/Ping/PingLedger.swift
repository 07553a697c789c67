import EchoSockets

/// What the endpoints of a run have in common.
///
/// Belongs to the loop's thread.
final class PingLedger {
    /// When the schedule of the first endpoint begins.
    let start = MonotonicTime.now
    /// Endpoints that have probes left.
    var live: Int
    /// How late the timer was.
    var lateness = TimeRecorder()
    private let onProbe: (EchoPing.Probe) -> Void
    private let seed = UInt64.random(in: 0 ... .max)
    private var streams = 0

    /// - Parameters:
    ///   - endpoints: how many there are.
    ///   - onProbe: is told what becomes of each probe.
    init(endpoints: Int, _ onProbe: @escaping (EchoPing.Probe) -> Void) {
        live = endpoints
        self.onProbe = onProbe
    }

    /// The bytes of the next connection, different from those of all others.
    func nextPattern() -> (number: Int, pattern: PatternBytes) {
        streams += 1
        return (streams, EchoStream.pattern(streams, seed: seed))
    }

    /// Tells what has become of a probe.
    func tell(_ endpoint: Int, _ probe: PendingProbe, _ outcome: EchoPing.Outcome) {
        onProbe(
            EchoPing.Probe(
                endpoint: endpoint,
                sequence: probe.sequence,
                due: probe.due - start,
                lateness: probe.woken - probe.due,
                sent: probe.sent.map { $0 - start },
                connect: probe.connect,
                outcome: outcome
            )
        )
    }
}
