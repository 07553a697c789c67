import ArgumentParser
import EchoServer

/// The flags about metrics.
struct MetricsOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Endpoint for /metrics, /healthz and /readyz over HTTP. (default: none)",
            valueName: "endpoint"
        ),
        completion: .list(["none"]),
        transform: Parse.either("none", or: Parse.streamEndpoint)
    )
    var metrics: Switchable<EchoServer.Endpoint>?
}
