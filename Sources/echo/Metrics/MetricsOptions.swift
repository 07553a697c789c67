import ArgumentParser
import EchoServer

/// The flags about metrics.
struct MetricsOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Serve /metrics, /healthz and /readyz over HTTP there. (default: nowhere)",
            valueName: "endpoint"
        ),
        transform: Parse.endpoint
    )
    var metrics: EchoServer.Endpoint?
}
