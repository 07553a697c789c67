import EchoHTTP
import EchoServer
import EchoSockets
import Logging

/// Serves an echo server's metrics and health over HTTP.
struct MetricsServer: Sendable {
    /// How long the serving loops have to answer: less than the second after which a Kubernetes
    /// probe times out.
    static let answerLimit: Duration = .milliseconds(800)

    private let http: HTTPServer

    /// The addresses it listens on, with ports resolved.
    var addresses: [SocketAddress] { http.addresses }

    /// Begins to serve.
    ///
    /// - Parameters:
    ///   - server: the server.
    ///   - endpoint: where to listen.
    ///   - attempt: looks up the host name; abandoning it ends the wait.
    ///   - logger: receives the addresses.
    /// - Throws: `EchoServer.Failure` that names the endpoint and the reason.
    init(
        _ server: EchoServer,
        on endpoint: EchoServer.Endpoint,
        _ attempt: StartAttempt = StartAttempt(),
        logger: Logger
    ) throws {
        let addresses = try attempt.addresses(of: [endpoint.value]).flatMap(\.self)
        let (process, shown) = (ProcessStatus(), ShownCounters())
        let access = try server.configuration.socketFileAccess
        do throws(BindError) {
            http = try HTTPServer(listeningOn: addresses, access: access) { path in
                Self.answer(path, server, process, shown)
            }
        } catch {
            throw EchoServer.Failure(
                listeningOn: error.address,
                error.error,
                group: server.configuration.socketGroup
            )
        }
        for missing in http.missing {
            logger.log(
                level: endpoint.value.needsLookUp ? .warning : .info,
                "cannot serve metrics on one of the addresses of an endpoint",
                metadata: [
                    "metrics": "\(endpoint)", "endpoint": "\(missing.address)",
                    "error": "\(missing.error.errno)",
                ]
            )
        }
        for address in http.addresses {
            logger.info("serving metrics", metadata: ["endpoint": "\(address)"])
        }
    }

    /// Ends it.
    ///
    /// To be called once.
    func stop() {
        http.stop()
    }

    private static func answer(
        _ path: String,
        _ server: EchoServer,
        _ process: ProcessStatus,
        _ shown: ShownCounters
    ) -> HTTPReply {
        switch path {
        case "/metrics":
            let page = PrometheusText.page(server, process, shown)
            return .now(HTTPResponse(contentType: PrometheusText.contentType, page))
        case "/healthz":
            return health(of: server, "ok\n")
        case "/readyz":
            return server.isReady
                ? health(of: server, "ready\n") : .now(HTTPResponse(status: 503, "not ready\n"))
        default:
            return .now(HTTPResponse(status: 404, "there are /metrics, /healthz and /readyz\n"))
        }
    }

    // Whether every serving loop turns, as the watchdog checks. A server that has not started yet,
    // or has ended, has no loop that could hang.
    private static func health(of server: EchoServer, _ healthy: String) -> HTTPReply {
        .later(
            within: answerLimit,
            otherwise: HTTPResponse(status: 503, "a serving loop does not respond\n")
        ) { answer in
            let serves = server.askLoops { answer(HTTPResponse(healthy)) }
            if !serves { answer(HTTPResponse(healthy)) }
        }
    }
}
