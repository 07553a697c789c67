import EchoServer
import EchoSockets
import Glibc

/// The Prometheus text format, version 0.0.4.
enum PrometheusText {
    /// The value of `Content-Type`.
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// A server's counts, its build, and what the process uses.
    ///
    /// - Parameters:
    ///   - server: the server.
    ///   - process: what the process uses.
    ///   - shown: what earlier pages have shown.
    /// - Returns: the page.
    static func page(
        _ server: EchoServer,
        _ process: ProcessStatus,
        _ shown: ShownCounters
    ) -> String {
        var page = ""
        let statistics = server.statistics
        for metric in EchoServer.Metric.allCases {
            let samples = metric.samples(of: statistics).map { sample in
                let label = sample.dimensionValue.map { "{\(metric.dimension ?? "")=\"\($0)\"}" }
                let name = metric.rawValue + (label ?? "")
                let value = metric.isGauge ? sample.value : shown.next(sample.value, of: name)
                return (label ?? "", "\(value)")
            }
            add(metric.rawValue, metric.summary, isGauge: metric.isGauge, samples, to: &page)
        }
        let build =
            "{version=\"\(EchoServer.version)\",model=\"\(server.configuration.model.rawValue)\"}"
        let help = "Always 1; the labels identify the server."
        add("echo_build_info", help, isGauge: true, [(build, "1")], to: &page)
        for (name, help, value) in figures(of: process) {
            guard let value else { continue }
            add(name, help, isGauge: !name.hasSuffix("_total"), [("", value)], to: &page)
        }
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

    // The names that Prometheus' client libraries use.
    private static func figures(of process: ProcessStatus) -> [(String, String, String?)] {
        let open = process.openDescriptorCount.map { "\($0)" }
        let resident = process.residentBytes.map { "\($0)" }
        let virtual = process.virtualBytes.map { "\($0)" }
        let start = "\(ProcessStatus.startTime)"
        return [
            ("process_cpu_seconds_total", "Processor time used, in seconds.", processorTime),
            ("process_max_fds", "Limit of open file descriptors.", descriptorLimit),
            ("process_open_fds", "Open file descriptors.", open),
            ("process_resident_memory_bytes", "Resident memory, in bytes.", resident),
            ("process_virtual_memory_bytes", "Virtual memory, in bytes.", virtual),
            ("process_start_time_seconds", "Start time since 1970, in seconds.", start),
        ]
    }

    private static var processorTime: String? {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return nil }
        let microseconds = String(time.tv_nsec / 1000)
        let fraction = String(repeating: "0", count: 6 - microseconds.count) + microseconds
        return "\(time.tv_sec).\(fraction)"
    }

    private static var descriptorLimit: String? {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return nil
        }
        return "\(limit.rlim_cur)"
    }
}

/// What pages have shown of counters, which never go down: a monitor would take that for a restart.
///
/// The server takes an admission back where the connection cannot be served after all. Any thread.
final class ShownCounters: Sendable {
    private let highest = Locked<[String: UInt64]>([:])

    /// The value to show.
    func next(_ value: UInt64, of name: String) -> UInt64 {
        highest.withLock { highest in
            let shown = max(value, highest[name] ?? 0)
            highest[name] = shown
            return shown
        }
    }
}
