import CoreMetrics
import EchoServer
import Logging
import ServiceLifecycle

// Compiled, never run: every public declaration, as users of the library write it, without
// `@testable`. What stops compiling here breaks them.

func usesServer() async throws {
    let configuration = EchoServer.Configuration(
        model: .completionPort,
        listen: [.tcp("127.0.0.1", port: 0), .unix("/run/echo.sock")],
        workers: 2,
        maximumConnections: 1000,
        whenFull: .defer,
        maximumConnectionsPerPeer: 10,
        admission: usesAdmission,
        idleTimeout: .seconds(60),
        keepalive: .seconds(30),
        receiveBufferSize: 4096,
        socketReceiveBuffer: 65_536,
        pendingLimit: 65_536,
        backlog: 128,
        socketMode: 0o660,
        socketGroup: "adm",
        shutdownDelay: .seconds(10),
        drainTimeout: .seconds(1),
        busyPoll: .zero,
        splice: .never
    )
    try configuration.validate()
    let server = try EchoServer(configuration: configuration, logger: Logger(label: "echo"))
    let version: String = EchoServer.version
    _ = version
    let endpoints: [EchoServer.Endpoint] = try server.start()
    _ = endpoints == server.endpoints
    _ = server.configuration.model
    let isReady: Bool = server.isReady
    let text: String = server.description
    _ = (isReady, text)
    let isResponsive: Bool = await server.isResponsive()
    _ = await server.isResponsive(within: .seconds(1)) == isResponsive
    usesStatistics(server.statistics)
    let service: any Service = server
    try await service.run()
    try await server.run()
    await server.shutdown()
    await server.shutdown(drainingFor: .seconds(1))
    _ = try EchoServer()
    _ = try EchoServer(
        configuration: configuration,
        logger: nil,
        metricsFactory: NOOPMetricsHandler.instance
    )
    sends(server)
}

// In a program without tasks; all that is thrown is `Failure`.
func usesServerWithoutTasks() throws(EchoServer.Failure) {
    let server = try EchoServer(configuration: EchoServer.Configuration())
    do {
        try server.configuration.validate()
        try server.start()
    } catch {
        usesFailure(error)
    }
    server.shutdownAndWait()
    server.shutdownAndWait(drainingFor: .seconds(1))
    _ = try EchoServer.InheritedSocket.takeFromEnvironment()
    _ = try EchoServer.InheritedSocket(descriptor: 3)
    _ = try EchoServer.Endpoint(parsing: "7")
}

func usesRun(_ server: EchoServer) async throws(EchoServer.Failure) {
    try await server.run()
}

func usesAdmission(_ request: EchoServer.AdmissionRequest) -> EchoServer.AdmissionDecision {
    let places = (request.peer, request.local)
    if places.0 == places.1 { return .reject }
    return request.activeConnections + request.activeConnectionsOfPeer > 10 ? .defer : .accept
}

func usesInheritedSockets() throws {
    let sockets: [EchoServer.InheritedSocket] = try EchoServer.InheritedSocket.takeFromEnvironment()
    let socket = try EchoServer.InheritedSocket(descriptor: 3)
    let named = try EchoServer.InheritedSocket(descriptor: 4, name: "echo")
    let texts: [String] = [socket.name, named.description, "\(named.endpoint)"]
    let code = EchoServer.Failure.Code.unusableSocket
    let configuration = EchoServer.Configuration(listen: [], inherited: sockets + [socket, named])
    _ = (texts, code, configuration)
    sends(socket)
}

func usesConfiguration() {
    var configuration = EchoServer.Configuration()
    configuration.model = .select
    configuration.loopGuard = false
    configuration.datagramRate = 10
    configuration.listen = [.tcp("localhost", port: 7)]
    configuration.inherited = []
    configuration.workers = nil
    configuration.maximumConnections = nil
    configuration.whenFull = .reject
    configuration.maximumConnectionsPerPeer = nil
    configuration.admission = { _ in .accept }
    configuration.idleTimeout = nil
    configuration.keepalive = nil
    configuration.receiveBufferSize = 1024
    configuration.socketReceiveBuffer = nil
    configuration.socketMode = nil
    configuration.socketGroup = nil
    configuration.pendingLimit = 1024
    configuration.backlog = 1
    configuration.shutdownDelay = .zero
    configuration.drainTimeout = .zero
    configuration.busyPoll = .zero
    configuration.splice = .auto
    let splicing: [EchoServer.Configuration.Splicing] = EchoServer.Configuration.Splicing.allCases
    _ = splicing.map(\.rawValue)
    sends(configuration)
    let policies: [EchoServer.Configuration.FullPolicy] = EchoServer.Configuration.FullPolicy
        .allCases
    _ = policies.map(\.rawValue)
}

func usesModels() {
    for model in EchoServer.IOModel.allCases {
        switch model {
        case .threadPerClient, .select, .asyncSelect, .eventSelect: break
        case .overlapped, .overlappedRoutine, .completionPort: break
        }
        switch model.backend {
        case .threads, .libevent, .proactor: break
        }
        _ = (model.rawValue, model.backend.defaultModel, EchoServer.IOModel(rawValue: "select"))
        codes(model)
        codes(model.backend)
    }
    _ = EchoServer.Backend.allCases
}

func usesEndpoint() throws {
    let endpoint = try EchoServer.Endpoint(parsing: "[::1]:7")
    let parts: (String?, UInt16?, String?) = (endpoint.host, endpoint.port, endpoint.path)
    _ = (parts, endpoint.description, endpoint.hashValue)
    switch endpoint {
    case .tcp(let host, let port): _ = (host.count, UInt16(port))
    case .udp(let host, let port): _ = (host, port)
    case .unix(let path): _ = path.count
    }
    sends(endpoint)
}

func usesFailure(_ failure: EchoServer.Failure) {
    let codes: Set<EchoServer.Failure.Code> = [
        .invalidEndpoint, .invalidConfiguration, .unknownHost, .addressInUse, .addressUnavailable,
        .permissionDenied, .alreadyStarted, .alreadyShutDown, .system,
    ]
    _ = codes.contains(failure.code)
    let number: Int32? = failure.errorNumber
    let texts: [String] = [failure.message, failure.description, failure.code.description]
    _ = (number, texts)
    sends(failure)
}

func usesStatistics(_ statistics: EchoServer.Statistics) {
    let counts: [UInt64] = [
        statistics.accepted, statistics.deferred, statistics.bytesReceived, statistics.bytesSent,
        statistics.acceptFailures, statistics.backPressureEpisodes, statistics.rejectedTotal,
        statistics.closedTotal, statistics.datagramsReceived, statistics.datagramsSent,
        statistics.datagramsTruncated, statistics.datagramsDropped,
        statistics.datagramSendFailures, statistics.datagramsRefusedTotal,
    ]
    let active: Int = statistics.active
    let rejected: [EchoServer.RejectionReason: UInt64] = statistics.rejected
    let closed: [EchoServer.CloseReason: UInt64] = statistics.closed
    _ = (counts, active, rejected[.full], closed[.peerClosed], statistics.hashValue)
    for reason in EchoServer.RejectionReason.allCases {
        switch reason {
        case .full, .peerLimit, .condition, .modelCapacity, .resources: codes(reason)
        }
    }
    for reason in EchoServer.CloseReason.allCases {
        switch reason {
        case .peerClosed, .reset, .peerLost, .failed, .idleTimeout, .drained, .aborted:
            codes(reason)
        }
    }
    let refused: [EchoServer.DatagramRefusal: UInt64] = statistics.datagramsRefused
    _ = refused
    for reason in EchoServer.DatagramRefusal.allCases {
        switch reason {
        case .group, .noSource, .reservedPort, .ownPort, .rate, .repeated: codes(reason)
        }
    }
    sends(statistics)
}

func usesMetrics() {
    for metric in EchoServer.Metric.allCases {
        switch metric {
        case .connectionsAccepted, .connectionsActive, .connectionsRejected, .connectionsDeferred,
            .connectionsClosed, .bytesReceived, .bytesSent, .acceptFailures, .backPressureEpisodes,
            .datagramsReceived, .datagramsSent, .datagramsRefused, .datagramsTruncated,
            .datagramsDropped, .datagramSendFailures:
            let facts: (String, String, Bool, String?) = (
                metric.rawValue, metric.summary, metric.isGauge, metric.dimension
            )
            _ = facts
        }
        codes(metric)
    }
}

func usesDescriptions(
    _ configuration: EchoServer.Configuration,
    _ statistics: EchoServer.Statistics,
    _ request: EchoServer.AdmissionRequest
) {
    let values: [any CustomStringConvertible] = [
        configuration, statistics, request, EchoServer.IOModel.select, EchoServer.Backend.libevent,
        EchoServer.Configuration.FullPolicy.defer, EchoServer.RejectionReason.full,
        EchoServer.CloseReason.reset, EchoServer.Metric.bytesSent,
        EchoServer.AdmissionDecision.defer, EchoServer.Configuration.Splicing.never,
        EchoServer.DatagramRefusal.rate,
    ]
    _ = values.map(\.description)
    let texts: [String] = [
        configuration.description, statistics.description, request.description,
        EchoServer.IOModel.select.description, EchoServer.Backend.libevent.description,
        EchoServer.Configuration.FullPolicy.defer.description,
        EchoServer.RejectionReason.full.description, EchoServer.CloseReason.reset.description,
        EchoServer.Metric.bytesSent.description, EchoServer.AdmissionDecision.defer.description,
        EchoServer.Configuration.Splicing.never.description,
    ]
    _ = texts
}

private func sends(_: some Sendable) {}
private func codes(_: some Codable & Sendable & Hashable) {}
