import ServiceLifecycle

/// Another part of the service: prints the metrics periodically, and once more at the end.
struct MetricsPrinter: Service {
    let metrics: MemoryMetrics
    let interval: Duration

    func run() async throws {
        try await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: interval)
                for line in metrics.lines { print(line) }
            }
        }
    }
}
