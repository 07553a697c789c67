import EchoClient

// Compiled, never run: every public declaration, as users of the library write it, without
// `@testable`. What stops compiling here breaks them.

func usesEndpoints() throws(EchoEndpoint.ParseError) -> [EchoEndpoint] {
    do throws(EchoEndpoint.ParseError) {
        let endpoint = try EchoEndpoint(parsing: "localhost:7")
        switch endpoint {
        case .tcp(let host, let port): _ = (host, port)
        case .udp(let host, let port): _ = (host, port)
        case .unix(let path): _ = path
        @unknown default: break
        }
        _ = endpoint.description
        return [
            endpoint, .tcp("localhost", port: 7), .udp("localhost", port: 7),
            .unix("/run/echo.sock"),
        ]
    } catch {
        _ = error.description
        throw error
    }
}

func usesConnection(_ endpoint: EchoEndpoint) async throws(EchoConnection.Failure) {
    do throws(EchoConnection.Failure) {
        let connection = try await EchoConnection.open(endpoint)
        _ = try await EchoConnection.open(endpoint, timeout: .seconds(1))
        _ = connection.endpoint == endpoint
        _ = connection.address.isEmpty
        let roundTrip: Duration = try await connection.echo("hello".utf8)
        try await connection.echo([1, 2, 3], timeout: .seconds(1))
        _ = roundTrip
        try await connection.send([4], timeout: nil)
        let limit = EchoConnection.receiveLimits.upperBound
        let bytes: [UInt8] = try await connection.receive(atMost: limit, timeout: nil)
        _ = bytes
        connection.endSending()
        connection.close()
    } catch {
        _ = error.description
        switch error.code as EchoConnection.Failure.Code {
        case .unknownHost, .refused, .permissionDenied, .timedOut, .reset, .ended, .wrong, .closed,
            .cancelled, .system:
            throw error
        @unknown default: throw error
        }
    }
}

func usesCheck(_ endpoint: EchoEndpoint) async throws(EchoCheck.Failure) {
    var check = EchoCheck(endpoint)
    check = EchoCheck.gentle(check.endpoint)
    check.checks = EchoCheck.Check.allCases
    check.checks = EchoCheck.checks(for: endpoint)
    check.deadline = .seconds(10)
    check.size = EchoCheck.sizes.lowerBound
    check.connections = EchoCheck.connectionCounts.upperBound
    check.pause = .zero
    check.connectTimeout = .seconds(1)
    check.runNumber = EchoCheck.runNumbers.lowerBound
    do throws(EchoCheck.Failure) {
        let report: EchoCheck.Report = try await check.run()
        _ = (report.address, report.duration, report.isComplete, report.passed)
        for result in report.results { usesCheck(result) }
        _ = try await check.run(usesCheck)
    } catch {
        _ = error.description
        switch error.code as EchoCheck.Failure.Code {
        case .invalidConfiguration, .unknownHost, .refused, .permissionDenied, .timedOut, .system:
            throw error
        @unknown default: throw error
        }
    }
}

@Sendable private func usesCheck(_ result: EchoCheck.Result) {
    _ = (result.evidence, result.duration, EchoCheck.Check(rawValue: "sizes"))
    switch result.check as EchoCheck.Check {
    case .empty, .oneByte, .allBytes, .sizes, .halfClose, .slowReader, .sendFirst, .interleaved,
        .resets, .urgent, .churn, .udpByte, .udpEmpty, .udpBytes, .udpSizes, .udpLarge, .udpOnce,
        .udpSource, .udpClients, .udpBurst:
        _ = result.check.meaning
    @unknown default: break
    }
    switch result.outcome as EchoCheck.Outcome {
    case .passed, .failed, .notApplicable: break
    }
    switch result.fault as EchoCheck.Fault? {
    case .refused, .late, .reset, .ended, .wrong, nil: break
    @unknown default: break
    }
}

func usesPing(_ endpoints: [EchoEndpoint]) async throws(EchoPing.Failure) {
    var ping = EchoPing(endpoints)
    _ = EchoPing(endpoints[0])
    _ = EchoPing.intervals.contains(ping.interval)
    ping.count = 10
    ping.size = max(EchoPing.sizes.lowerBound, EchoPing.datagramSizes.lowerBound)
    ping.timeout = .seconds(1)
    ping.connections = .kept
    ping.connections = EchoPing.Connections.new
    _ = ping.endpoints
    do throws(EchoPing.Failure) {
        usesPing(try await ping.run())
        usesPing(try await ping.run(usesPing))
    } catch {
        _ = error.description
        switch error.code as EchoPing.Failure.Code {
        case .invalidConfiguration, .system: throw error
        @unknown default: throw error
        }
    }
}

private func usesPing(_ report: EchoPing.Report) {
    _ = (report.duration, report.lateness)
    for part: EchoPing.EndpointReport in report.endpoints {
        _ = (part.endpoint, part.address, part.sent, part.received, part.lost, part.late)
        _ = (part.wrong, part.surplus, part.missed, part.connections, part.failedConnections)
        _ = part.duplicates
        _ = (part.lastFailure, part.resolve, part.connect, part.roundTrip, part.jitter)
        _ = (part.outstanding, part.loss)
        guard let times: EchoPing.Times = part.roundTrip else { continue }
        _ = (times.samples, times.minimum, times.p50, times.p90, times.p99, times.maximum)
        _ = (times.mean, times.standardDeviation)
    }
}

@Sendable private func usesPing(_ probe: EchoPing.Probe) {
    _ = (probe.endpoint, probe.sequence, probe.due, probe.lateness, probe.sent, probe.connect)
    switch probe.outcome as EchoPing.Outcome {
    case .received(let roundTrip), .late(let roundTrip), .duplicate(let roundTrip): _ = roundTrip
    case .lost(let reason): _ = reason
    case .wrong(let evidence), .surplus(let evidence): _ = evidence
    case .missed(let count): _ = count
    @unknown default: break
    }
}

func usesBench(_ endpoint: EchoEndpoint) async throws(EchoBench.Failure) {
    var bench = EchoBench([
        .running("ours", at: endpoint),
        .running("theirs", at: endpoint, processIdentifier: 1),
        .command("cat", "socat TCP-LISTEN:PORT,fork EXEC:cat"),
        .command("cat", "socat UDP-LISTEN:PORT,fork EXEC:cat", overUDP: true),
    ])
    let servers: [EchoBench.Server] = bench.servers
    _ = (servers[0].name, servers[0].kind == .target)
    var load = EchoBench.Load()
    load.connections = 10
    load.size = 64
    load.inFlight = 4
    load.rate = 1000
    load.isChurn = false
    load.idleConnections = 100
    _ = load.label
    bench.loads = [load]
    bench.rounds = 3
    bench.roundTime = .seconds(1)
    bench.warmUp = .zero
    bench.seed = 42
    do throws(EchoBench.Failure) {
        usesBench(try await bench.run())
    } catch {
        _ = error.description
        switch error.code as EchoBench.Failure.Code {
        case .invalidConfiguration, .system: throw error
        @unknown default: throw error
        }
    }
}

private func usesBench(_ report: EchoBench.Report) {
    _ = EchoBench.Report.currentSchema == report.schema
    _ = (report.tool, report.started, report.seconds, report.command, report.seed)
    _ = report.warnings
    usesEnvironment(report.environment)
    usesPlan(report.plan)
    for subject: EchoBench.Subject in report.subjects {
        switch subject.kind as EchoBench.SubjectKind {
        case .model, .target, .command: _ = (subject.name, subject.detail)
        }
    }
    for result: EchoBench.Result in report.results {
        _ = (result.subject, result.load, result.failure)
        for round in result.rounds { usesRound(round) }
        for latency in [result.service, result.response] { usesLatency(latency) }
    }
}

private func usesEnvironment(_ environment: EchoBench.Environment) {
    _ = (environment.kernel, environment.processor, environment.processors)
    _ = (environment.memoryBytes, environment.frequencyGovernor, environment.loadAverage)
    _ = (environment.mitigations, environment.serverProcessors, environment.clientProcessors)
}

private func usesPlan(_ plan: EchoBench.Plan) {
    _ = (plan.loads, plan.rounds, plan.roundSeconds, plan.warmUpSeconds)
    _ = plan.clientPollSeconds
}

private func usesRound(_ round: EchoBench.Round) {
    _ = (round.position, round.seconds, round.echoes, round.bytes, round.wrongBytes)
    _ = (round.failedConnections, round.missedSends, round.p50, round.p99, round.p999)
    _ = round.lostDatagrams
    _ = (round.responseP50, round.responseP99, round.responseP999, round.clientProcessorSeconds)
    guard let cost: EchoBench.ServerCost = round.server else { return }
    _ = (cost.userSeconds, cost.systemSeconds, cost.systemCalls, cost.voluntarySwitches)
    _ = (cost.involuntarySwitches, cost.threads, cost.memoryPerConnection)
}

private func usesLatency(_ latency: EchoBench.Latency?) {
    guard let latency else { return }
    _ = (latency.samples, latency.minimum, latency.maximum, latency.mean)
    _ = latency.standardDeviation
    for point: EchoBench.Latency.Point in latency.curve {
        _ = (point.percentile, point.nanoseconds)
    }
}

func usesCoding(_ decoder: any Decoder) throws {
    let report = try EchoBench.Report(from: decoder)
    usesBench(report)
}
