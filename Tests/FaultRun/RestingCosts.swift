import EchoServer
import EchoSockets
import EchoTestSupport

/// The processor time that a server uses in two seconds in which it has nothing to do.
struct RestingCosts: Sendable {
    /// With idle connections.
    var idle = Duration.zero
    /// Without descriptors for the connections that wait to be accepted.
    var exhausted = Duration.zero
    /// Full, with further connections queued (`--when-full defer`).
    var deferring = Duration.zero

    /// How long is measured.
    static let span = Duration.seconds(2)
    /// What it may use at most: far less than a loop that spins, under a sanitizer as well, where
    /// each turn of a loop costs more.
    static let limit = Duration.milliseconds(isSanitized ? 500 : 50)

    private static let idleConnections = 60
    private static let waitingConnections = 200

    /// With idle connections.
    static func whileIdle(_ subject: Subject) async throws -> Duration {
        let held = try await hold(idleConnections, on: subject)
        defer { held.stop() }
        return try await subject.cpuTime(over: span)
    }

    /// Without descriptors; afterwards everybody must be served.
    static func whileExhausted(_ subject: Subject) async throws -> Duration {
        let held = try await hold(idleConnections, on: subject)
        defer { held.stop() }
        let episodes = subject.logCount(of: "cannot accept")
        let pid = subject.process.pid
        let old = try limitDescriptors(of: pid, to: subject.figures.openDescriptorCount)
        // They stay: those that find a free number below the bound must not make room for the rest.
        var load = EchoLoad(connections: waitingConnections, bytes: 1000)
        load.staysOpen = true
        let waiting = try load.start(against: subject.address)
        defer { waiting.stop() }
        guard await eventually({ subject.logCount(of: "cannot accept") > episodes }) else {
            throw Failed(description: "it did not say that it ran out of descriptors")
        }
        try await letPass(.milliseconds(300))
        let used = try await subject.cpuTime(over: span)
        try limitDescriptors(of: pid, to: old)
        guard await waiting.reaches({ $0.held == waitingConnections }) else {
            throw Failed(
                description: "not all were served once there were descriptors: \(waiting.progress)"
            )
        }
        return used
    }

    /// Full, with further connections queued; once there is room, everybody must be served.
    static func whileDeferring(
        _ program: String,
        _ model: EchoServer.IOModel
    ) async throws
        -> Duration
    {
        let places = 8
        let subject = try await Subject(
            program,
            model,
            ["--max-connections", "\(places)", "--when-full", "defer"]
        )
        let held = try await hold(places, on: subject)
        let waiting = try EchoLoad(connections: waitingConnections, bytes: 1000)
            .start(against: subject.address)
        guard await waiting.reaches({ $0.opened == waitingConnections }) else {
            throw Failed(description: "connections were not queued: \(waiting.progress)")
        }
        try await letPass(.milliseconds(300))
        let used = try await subject.cpuTime(over: span)
        guard waiting.progress.bytesVerified == 0, held.progress.held == places else {
            throw Failed(description: "more than \(places) were served: \(waiting.progress)")
        }
        held.stop()
        let report = try await waiting.report()
        guard report.isComplete else {
            throw Failed(description: "not all were served once there was room: \(report)")
        }
        if let complaint = try await subject.end() { throw Failed(description: complaint) }
        return used
    }

    /// Opens connections that have echoed something and are idle now.
    static func hold(_ count: Int, on subject: Subject) async throws -> RunningEchoLoad {
        var load = EchoLoad(connections: count, bytes: 100)
        load.staysOpen = true
        load.deadline = .seconds(300)
        let held = try load.start(against: subject.address)
        guard await held.reaches(within: .seconds(120), { $0.held == count }) else {
            throw Failed(
                description: "not all are connected: \(held.progress)\n  \(subject.condition)"
            )
        }
        try await letPass(.milliseconds(300))
        return held
    }
}
