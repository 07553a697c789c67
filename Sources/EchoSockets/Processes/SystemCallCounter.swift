import CEchoLinux
package import Glibc

/// Counts the system calls of a process from now on, with no cost to speak of for it.
///
/// Needs the kernel's tracing file system to be mounted, and the right to read it and to trace, as
/// root has. The corresponding C function is `perf_event_open`, for the tracepoint
/// `raw_syscalls:sys_enter`.
package struct SystemCallCounter: ~Copyable {
    private let counters: [Counter]

    /// The threads of which a process may have too many to be counted.
    private static let threadLimit = 4096

    private final class Counter {
        let descriptor: Descriptor

        init(_ descriptor: consuming Descriptor) {
            self.descriptor = descriptor
        }
    }

    /// Begins to count the calls of the threads of a process and its descendants, and of those that
    /// they start.
    ///
    /// - Returns: `nil` where that is not possible.
    package init?(of pid: pid_t) {
        guard let tracepoint = Self.tracepoint else { return nil }
        let threads = Self.threads(of: pid)
        guard !threads.isEmpty, threads.count <= Self.threadLimit else { return nil }
        var counters: [Counter] = []
        for thread in threads {
            let number = clinux_count_tracepoint(thread, tracepoint)
            if number >= 0 {
                counters.append(Counter(Descriptor(adopting: number)))
            } else if errno != ESRCH {
                return nil
            }
        }
        self.counters = counters
    }

    private static func threads(of pid: pid_t) -> [CInt] {
        entries(in: "/proc/\(pid)/task").compactMap { CInt($0) }.flatMap { thread in
            let children = KernelFile.text("/proc/\(pid)/task/\(thread)/children") ?? ""
            return [thread]
                + children.split(separator: " ").compactMap { pid_t($0) }
                .flatMap(threads)
        }
    }

    private static var tracepoint: UInt64? {
        for folder in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
            let path = "\(folder)/events/raw_syscalls/sys_enter/id"
            if let line = KernelFile.text(path)?.split(separator: "\n").first {
                return UInt64(line)
            }
        }
        return nil
    }

    /// The calls so far; `nil` if they could not be read.
    package var count: Int? {
        var sum: UInt64 = 0
        for counter in counters {
            var value: UInt64 = 0
            let number = counter.descriptor.rawValue
            let size = MemoryLayout<UInt64>.size
            guard transferCall({ unsafe read(number, &value, size) }) == size else { return nil }
            sum += value
        }
        return Int(clamping: sum)
    }
}
