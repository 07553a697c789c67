import EchoServer
import Logging
import ReactorHTTP
import Sockets

/// Serves the metrics of an echo server, and whether it is well, over HTTP.
struct MetricsServer: Sendable {
    private let http: HTTPServer

    /// Begins to serve.
    ///
    /// - Throws: `EchoServer.Failure` that names the endpoint and the reason.
    init(_ server: EchoServer, on endpoint: EchoServer.Endpoint, logger: Logger) throws {
        let parsed: Endpoint
        let addresses: [SocketAddress]
        do {
            parsed = try Endpoint(parsing: "\(endpoint)")
            addresses = try parsed.resolve()
        } catch {
            throw EchoServer.Failure(.unknownHost, "cannot listen on \(endpoint): \(error)")
        }
        do throws(BindError) {
            http = try HTTPServer(listeningOn: addresses) { path in
                Self.answer(path, server)
            }
        } catch {
            throw EchoServer.Failure(listeningOn: error.address, error.error)
        }
        for missing in http.missing {
            logger.log(
                level: parsed.needsLookUp ? .warning : .info,
                "cannot serve metrics on one of the addresses of an endpoint",
                metadata: [
                    "metrics": "\(parsed)", "endpoint": "\(missing.address)",
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

    private static func answer(_ path: String, _ server: EchoServer) -> HTTPResponse {
        switch path {
        case "/metrics":
            return HTTPResponse(
                contentType: PrometheusText.contentType,
                PrometheusText.page(server.statistics)
            )
        case "/healthz":
            return HTTPResponse("ok\n")
        case "/readyz":
            return server.isReady
                ? HTTPResponse("ready\n") : HTTPResponse(status: 503, "not ready\n")
        default:
            return HTTPResponse(status: 404, "there are /metrics, /healthz and /readyz\n")
        }
    }
}
