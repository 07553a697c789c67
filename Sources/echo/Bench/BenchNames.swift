import EchoClient

/// The names of figures and loads.
enum BenchNames {
    /// A figure's name above a column, with its unit.
    static func column(
        _ metric: EchoBench.Metric,
        _ style: BenchNumber.Style = .terminal
    ) -> String {
        switch metric {
        case .rate: "echoes/s"
        case .throughput: "MB/s"
        case .p50: "p50"
        case .p90: "p90"
        case .p99: "p99"
        case .p999: "p99.9"
        case .cpu: style == .page ? "CPU µs/echo" : "CPU us/echo"
        case .syscalls: "calls/echo"
        case .switches: "switches/echo"
        case .memory: "memory/conn."
        case .client: "client CPU"
        case .wrong: "wrong bytes"
        case .failed: "failed conn."
        case .missed: "missed sends"
        case .lost: "lost"
        }
    }

    /// A figure's name in a sentence.
    static func noun(_ metric: EchoBench.Metric) -> String {
        switch metric {
        case .rate: "echoes per second"
        case .throughput: "MB per second"
        case .p50: "median latency"
        case .p90: "90th percentile of the latency"
        case .p99: "99th percentile of the latency"
        case .p999: "99.9th percentile of the latency"
        case .cpu: "server CPU time per echo"
        case .syscalls: "system calls per echo"
        case .switches: "context switches per echo"
        case .memory: "server memory per connection"
        case .client: "client CPU time"
        case .wrong: "wrong bytes"
        case .failed: "failed connections"
        case .missed: "missed sends"
        case .lost: "lost datagrams"
        }
    }

    /// A load, such as `100 connections, 64 bytes`.
    static func load(_ load: EchoBench.Load) -> String {
        ([connections(load)] + shape(load)).joined(separator: ", ")
    }

    /// What a load says beside the number of connections.
    static func shape(_ load: EchoBench.Load) -> [String] {
        var parts = [size(load.size)]
        if load.inFlight != 1 { parts.append("\(load.inFlight) in flight each") }
        if let rate = load.rate {
            parts.append("at \(BenchNumber.tick(BenchNumber.short(rate)))/s on schedule")
        }
        if load.isChurn { parts.append("a new connection for each message") }
        if load.idleConnections > 0 { parts.append("\(load.idleConnections) idle beside them") }
        return parts
    }

    /// The number of connections of a load.
    static func connections(_ load: EchoBench.Load) -> String {
        "\(load.connections) connection\(load.connections == 1 ? "" : "s")"
    }

    private static func size(_ bytes: Int) -> String {
        if bytes == 1 { return "1 byte" }
        return bytes >= 1024 && bytes % 1024 == 0
            ? Quantity.text(bytes).replacing(/(?=[KMG]iB)/, with: " ") : "\(bytes) bytes"
    }

    /// The columns that a report has values for, the most important first.
    static func columns(
        of report: EchoBench.Report,
        loads: [Int]? = nil
    ) -> [EchoBench.Metric] {
        let results = report.results.filter { loads?.contains($0.load) ?? true }
        let order: [EchoBench.Metric] = [
            .rate, .p50, .p90, .p99, .p999, .cpu, .syscalls, .switches, .memory, .throughput,
            .client, .wrong, .failed, .missed, .lost,
        ]
        return order.filter { metric in
            results.contains { result in
                guard let estimate = report.estimate(metric, of: result) else { return false }
                return !metric.isTotal || estimate.median > 0
            }
        }
    }

    /// The figures whose ratio to the first server is shown.
    static let compared: [EchoBench.Metric] = [.rate, .p99, .cpu, .memory]
}
