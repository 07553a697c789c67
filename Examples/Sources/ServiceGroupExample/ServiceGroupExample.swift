import CoreMetrics
import EchoServer
import Logging
import ServiceLifecycle
import UnixSignals

/// A service with several parts, one of them an echo endpoint for probes.
///
/// SIGTERM or SIGINT ends it: the parts shut down in reverse order, so the endpoint drains while
/// the others still work.
@main
struct ServiceGroupExample {
    static func main() async throws {
        let metrics = MemoryMetrics()
        MetricsSystem.bootstrap(metrics)
        let logger = Logger(label: "example")

        let echo = try EchoServer(
            configuration: .init(
                listen: [.tcp("127.0.0.1", port: 0)],
                maximumConnections: 100,
                idleTimeout: .seconds(60),
                drainTimeout: .seconds(2)
            ),
            logger: logger
        )
        // Started here, because this program wants to know the port; the group would start it too.
        for endpoint in try echo.start() { print("listening on \(endpoint)") }

        let group = ServiceGroup(
            services: [MetricsPrinter(metrics: metrics, interval: .seconds(60)), echo],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        try await group.run()
        print("all parts have ended")
    }
}
