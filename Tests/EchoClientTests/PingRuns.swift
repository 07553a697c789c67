import EchoClient
import EchoSockets
import EchoTestSupport

/// Repeats a run in which the machine kept a probe from being sent.
///
/// - Parameter run: makes a server of its own, so that each run begins alike.
/// - Returns: a run that missed no probe's moment.
/// - Throws: what the run threw; ``DeadlineExceeded`` if the machine was too busy each time.
func unmissed<Told>(
    _ run: () async throws -> (report: EchoPing.EndpointReport, told: Told)
) async throws -> (report: EchoPing.EndpointReport, told: Told) {
    var last: EchoPing.EndpointReport?
    for _ in 0..<20 {
        let (report, told) = try await run()
        if report.missed == 0 { return (report, told) }
        last = report
    }
    throw DeadlineExceeded(description: "each of 20 runs missed probes: \(last, default: "")")
}

/// What a run tells of its probes, as it does.
final class ToldProbes: Sendable {
    private let list = Locked<[EchoPing.Probe]>([])

    func note(_ probe: EchoPing.Probe) { list.withLock { $0.append(probe) } }

    var all: [EchoPing.Probe] { list.withLock { $0 } }

    /// Those that were answered in time.
    var received: [EchoPing.Probe] {
        all.filter { if case .received = $0.outcome { true } else { false } }
    }

    func contains(_ isFound: (EchoPing.Outcome) -> Bool) -> Bool {
        all.contains { isFound($0.outcome) }
    }

    func count(_ isCounted: (EchoPing.Outcome) -> Bool) -> Int {
        all.count { isCounted($0.outcome) }
    }
}

extension EchoPing {
    /// Probes until enough has been told, then ends the run.
    ///
    /// - Parameters:
    ///   - told: what is told to.
    ///   - isEnough: whether to end it.
    /// - Returns: the report of the first endpoint, and whether enough came in time.
    /// - Throws: what the run threw.
    func run(
        telling told: ToldProbes,
        until isEnough: @escaping @Sendable (ToldProbes) -> Bool
    ) async throws -> (report: EndpointReport, isEnough: Bool) {
        let task = Task { try await run { told.note($0) } }
        let came = await eventually { isEnough(told) }
        task.cancel()
        return (try await withDeadline { try await task.value }.endpoints[0], came)
    }
}

extension EchoPing.Outcome {
    var isLost: Bool { if case .lost = self { true } else { false } }
    var isLate: Bool { if case .late = self { true } else { false } }
    var isWrong: Bool { if case .wrong = self { true } else { false } }
    var isSurplus: Bool { if case .surplus = self { true } else { false } }
    var isDuplicate: Bool { if case .duplicate = self { true } else { false } }
}
