import EchoServer
import EchoSockets
import EchoTestSupport

/// A run against one model.
struct ModelRun {
    let program: String
    let model: EchoServer.IOModel
    let seed: UInt64
    let span: Duration
    let clients: Int
    let crowd: Int
    let isTimed: Bool
    let isComplete: Bool

    /// What an exchange of the background load may take at most.
    private static let latencyLimit = Duration.seconds(5)

    /// Makes the run; what does not hold is in the report's failures.
    func report() async -> ModelReport {
        var report = ModelReport(model: model)
        do {
            try await faults(&report)
            if isComplete { try await rest(&report) }
        } catch {
            report.failures.append("\(error)")
        }
        judge(&report)
        return report
    }

    private func faults(_ report: inout ModelReport) async throws {
        let start = MonotonicTime.now
        let subject = try await Subject(program, model)
        // Once as many as later, so that what the server keeps for its life is there already.
        try await RestingCosts.hold(clients, on: subject).stop()
        let descriptors = try await subject.settledDescriptorCount()
        try await torment(subject, &report)
        report.peakResidentBytes = subject.figures.peakResidentBytes
        report.leakedDescriptors = await subject.descriptors(above: descriptors)
        if isComplete {
            report.resting.idle = try await RestingCosts.whileIdle(subject)
            report.resting.exhausted = try await RestingCosts.whileExhausted(subject)
        }
        if let complaint = try await subject.end() { report.failures.append(complaint) }
        // Each of the two endpoints says that a shortage began, and that it ended, twice in five
        // seconds at most.
        let lines = subject.process.lines(of: .standardError).count
        let elapsed = Int((MonotonicTime.now - start).components.seconds)
        let limit = 4 * (elapsed / 5 + 2) + 4
        report.expect(lines <= limit, "\(lines) lines of log, \(limit) at most were expected")
    }

    private func rest(_ report: inout ModelReport) async throws {
        report.resting.deferring = try await RestingCosts.whileDeferring(program, model)
        let attack = CrowdAttack(program: program, model: model, connections: crowd, seed: seed)
        report.crowd = try await attack.best(of: isTimed ? 3 : 1)
    }

    private func torment(_ subject: Subject, _ report: inout ModelReport) async throws {
        let stops = StopClock()
        let probe = try LatencyProbe(
            to: subject.address,
            connections: 4,
            sizes: 1...16384,
            seed: seed,
            stops: stops
        )
        let crowd = try ClientCrowd(clients, seed: seed, against: subject)
        let tormentor = try Tormentor(of: subject, seed: seed, stops: stops)
        let end = MonotonicTime.now + span
        while .now < end, subject.process.isRunning {
            try await letPass(min(.seconds(1), end - .now))
        }
        report.torment = await tormentor.end()
        report.clients = try await crowd.end()
        report.background = await probe.end()
        guard subject.process.isRunning else {
            throw Failed(description: "it ended: \(subject.process.text(of: .standardError))")
        }
    }

    private func judge(_ report: inout ModelReport) {
        report.failures += report.clients.failures
        if let failure = report.torment.failure { report.failures.append(failure) }
        if let failure = report.background.failure { report.failures.append(failure) }
        report.expect(report.wrongBytes == 0, "\(report.wrongBytes) wrong bytes")
        report.expect(report.clients.lost == 0, "\(report.clients.lost) connections were lost")
        report.expect(
            report.leakedDescriptors == 0,
            "\(report.leakedDescriptors) descriptors were not closed"
        )
        for (state, used) in report.resting.all {
            report.expect(used < RestingCosts.limit, "\(used.milliseconds) of CPU while \(state)")
        }
        guard isTimed else { return }
        let longest = report.background.latencies.longest
        report.expect(longest < Self.latencyLimit, "an exchange took \(longest.milliseconds)")
        guard isComplete else { return }
        let closing = report.crowd.closing
        report.expect(
            closing < CrowdAttack.limit,
            "p99 of \(closing.milliseconds) while \(report.crowd.connections) were closed"
        )
    }
}

extension RestingCosts {
    /// Each with its name.
    var all: [(String, Duration)] {
        [("idle", idle), ("out of descriptors", exhausted), ("full with defer", deferring)]
    }
}
