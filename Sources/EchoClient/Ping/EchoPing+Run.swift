package import EchoSockets

extension EchoPing {
    /// Probes the endpoints.
    ///
    /// When the task is cancelled, the run ends, and the report has what came so far. Without a
    /// ``count``, it ends in no other way.
    ///
    /// - Parameter onProbe: is told what becomes of each probe, in the order of events, on the
    ///   run's thread. It must return soon: meanwhile no other probe is sent.
    /// - Returns: what was measured. Endpoints that could not be reached are part of it.
    /// - Throws: ``Failure`` if nothing could be measured for a reason on this side.
    public func run(
        _ onProbe: @escaping @Sendable (Probe) -> Void = { _ in }
    ) async throws(Failure) -> Report {
        try validate()
        let control = PingControl()
        do throws(SystemError) {
            return try await ClientThread.run(name: "ping", stop: control.stop) {
                (loop) throws(SystemError) in try run(loop, control, onProbe) { _ in }
            }
        } catch {
            throw Failure(code: .system, description: "\(error)")
        }
    }

    /// Probes the endpoints on the calling thread.
    ///
    /// - Parameters:
    ///   - control: stops it, and asks for reports.
    ///   - onProbe: is told what becomes of each probe.
    ///   - onQuestion: is told what has been measured when somebody asks.
    /// - Returns: what was measured.
    /// - Throws: why there is no loop or no thread.
    package func run(
        _ control: PingControl,
        _ onProbe: @escaping (Probe) -> Void,
        _ onQuestion: (Report) -> Void
    ) throws(SystemError) -> Report {
        try run(try ClientLoop(control.stop), control, onProbe, onQuestion)
    }

    private func run(
        _ loop: ClientLoop,
        _ control: PingControl,
        _ onProbe: @escaping (Probe) -> Void,
        _ onQuestion: (Report) -> Void
    ) throws(SystemError) -> Report {
        let run = PingRun(self, loop, control, onProbe)
        defer { run.end() }
        try run.run(onQuestion)
        return run.report
    }
}
