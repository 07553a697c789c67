import EchoClient

/// The units that figures have in the conditions of `--fail-if`.
enum FailUnit {
    /// The units of a figure, each with how many of the figure's own unit it is.
    static func units(of metric: EchoBench.Metric) -> KeyValuePairs<String, Double> {
        switch metric {
        case .rate: ["/s": 1, "k/s": 1000, "M/s": 1_000_000]
        case .throughput: ["MB/s": 1_000_000, "GB/s": 1_000_000_000]
        case .p50, .p90, .p99, .p999:
            ["us": 1000, "ms": 1_000_000, "s": 1_000_000_000, "ns": 1]
        case .cpu: ["us": 1, "ms": 1000, "ns": 0.001]
        case .memory: ["KiB": 1024, "MiB": 1_048_576, "B": 1]
        case .client: ["%": 0.01]
        case .syscalls, .switches, .wrong, .failed, .missed, .lost: [:]
        }
    }

    /// A figure with the unit that its conditions have.
    static func text(_ value: Double, _ metric: EchoBench.Metric) -> String {
        let text = BenchNumber.text(value, metric)
        return switch metric {
        case .rate: "\(text)/s"
        case .throughput: "\(text)MB/s"
        case .cpu: "\(text)us"
        default: text
        }
    }
}
