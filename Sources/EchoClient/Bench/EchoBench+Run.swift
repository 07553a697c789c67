import EchoSockets

extension EchoBench {
    /// Measures.
    ///
    /// A server that cannot be measured is no failure: its ``Result/failure`` says why. If the task
    /// is cancelled, the round that runs is given up, and the report has those before it.
    ///
    /// - Returns: what was measured.
    /// - Throws: ``Failure`` if a value is out of its range, or the system has no thread or
    ///   descriptor left.
    public func run() async throws(Failure) -> Report {
        try validate()
        var runner = BenchRunner(servers, loads)
        runner.rounds = rounds
        runner.roundTime = roundTime
        runner.warmUp = warmUp
        runner.seed = seed
        let (measurement, stop) = (runner, ClientStop())
        return try await ClientThread.report(stop) {
            measurement.report(tool: "EchoBench", command: "", stop) { _ in }
        }
    }

    private func validate() throws(Failure) {
        let complaint: String? =
            if servers.isEmpty {
                "there is no server"
            } else if loads.isEmpty {
                "there is no load"
            } else if rounds < 1 || roundTime <= .zero || warmUp < .zero {
                "there must be a round, of more than no time"
            } else if let load = loads.first(where: { !$0.isPossible }) {
                "the load is not possible: \(load.label)"
            } else if servers.contains(where: \.isDatagram),
                let load = loads.first(where: { !$0.suitsDatagrams })
            {
                "the load is not possible over UDP: \(load.label)"
            } else {
                nil
            }
        if let complaint { throw Failure(code: .invalidConfiguration, description: complaint) }
    }
}

extension EchoBench.Load {
    /// Whether it can be sent over UDP: its messages fit a datagram, which can hold as many numbers
    /// as may be under way; and it asks for nothing that only connections have.
    package var suitsDatagrams: Bool {
        EchoPing.datagramSizes.contains(size) && !isChurn && idleConnections == 0
            && (size > 1 || inFlight <= 256)
    }

    fileprivate var isPossible: Bool {
        connections >= 1 && size >= 1 && inFlight >= 1 && idleConnections >= 0
            && (rate.map { Self.rates.contains($0) && !isChurn } ?? true)
            && size.multipliedReportingOverflow(by: inFlight).partialValue <= 1 << 30
            && !size.multipliedReportingOverflow(by: inFlight).overflow
    }
}

extension ClientThread {
    fileprivate static func report(
        _ stop: ClientStop,
        _ body: @escaping @Sendable () -> EchoBench.Report
    ) async throws(EchoBench.Failure) -> EchoBench.Report {
        do throws(SystemError) {
            return try await run(name: "echo bench", stop: stop) { _ in body() }
        } catch {
            throw EchoBench.Failure(code: .system, description: "\(error)")
        }
    }
}
