import EchoServer
import Glibc

/// The Prometheus text format, version 0.0.4.
enum PrometheusText {
    /// The value of `Content-Type`.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// What a server counts, and what the process uses.
    static func page(_ statistics: EchoServer.Statistics) -> String {
        var page = ""
        for metric in EchoServer.Metric.allCases {
            let samples = metric.samples(of: statistics).map { sample in
                let label = sample.dimensionValue.map { "{\(metric.dimension ?? "")=\"\($0)\"}" }
                return (label ?? "", "\(sample.value)")
            }
            add(metric.rawValue, metric.summary, isGauge: metric.isGauge, samples, to: &page)
        }
        addProcess(to: &page)
        return page
    }

    private static func add(
        _ name: String,
        _ help: String,
        isGauge: Bool,
        _ samples: [(label: String, value: String)],
        to page: inout String
    ) {
        page += "# HELP \(name) \(help)\n# TYPE \(name) \(isGauge ? "gauge" : "counter")\n"
        for sample in samples { page += "\(name)\(sample.label) \(sample.value)\n" }
    }

    // The names that the client libraries of Prometheus have for these.
    private static func addProcess(to page: inout String) {
        var time = timespec()
        if unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 {
            let microseconds = String(time.tv_nsec / 1000)
            let fraction = String(repeating: "0", count: 6 - microseconds.count) + microseconds
            add(
                "process_cpu_seconds_total",
                "Processor time used, in seconds.",
                isGauge: false,
                [("", "\(time.tv_sec).\(fraction)")],
                to: &page
            )
        }
        var limit = rlimit()
        if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            add(
                "process_max_fds",
                "File descriptors that may be open.",
                isGauge: true,
                [("", "\(limit.rlim_cur)")],
                to: &page
            )
        }
    }
}
