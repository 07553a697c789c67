import EchoSockets
import Glibc

/// The machine, as far as it matters for a measurement.
enum BenchMachine {
    /// What the kernel says about it.
    static func environment(_ runner: BenchRunner) -> EchoBench.Environment {
        EchoBench.Environment(
            kernel: kernel,
            processor: value(of: "model name", in: "/proc/cpuinfo"),
            processors: Processors.available,
            memoryBytes: value(of: "MemTotal", in: "/proc/meminfo")
                .flatMap { Int($0.prefix { $0.isNumber }) }.map { $0 * 1024 },
            frequencyGovernor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            loadAverage: line("/proc/loadavg")?.split(separator: " ").first.flatMap { Double($0) },
            mitigations: mitigations,
            serverProcessors: runner.serverProcessors,
            clientProcessors: runner.clientProcessors
        )
    }

    private static var kernel: String {
        let release = line("/proc/sys/kernel/osrelease") ?? "of unknown version"
        return "Linux \(release)"
    }

    private static var mitigations: [String: String] {
        let folder = "/sys/devices/system/cpu/vulnerabilities"
        var found: [String: String] = [:]
        for name in entries(in: folder) { found[name] = line("\(folder)/\(name)") }
        return found
    }

    private static func line(_ path: String) -> String? {
        guard let text = KernelFile.text(path), let line = text.split(separator: "\n").first else {
            return nil
        }
        return String(line)
    }

    private static func value(of key: String, in path: String) -> String? {
        let lines = (KernelFile.text(path) ?? "").split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix(key) }),
            let colon = line.firstIndex(of: ":")
        else { return nil }
        return String(line[line.index(after: colon)...].drop { $0 == " " })
    }
}
