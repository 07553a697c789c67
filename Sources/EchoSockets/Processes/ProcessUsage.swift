package import Glibc

/// What a process has used so far, proc(5).
///
/// Read without stopping it; any thread.
package struct ProcessUsage: Sendable {
    /// Processor time of all its threads, those that have ended included.
    package var processorTime = Duration.zero
    /// Clock ticks of it, of which there are a hundred a second.
    package var ticks = 0
    /// Of these, those in the kernel.
    package var kernelTicks = 0
    /// Context switches because a thread waited, of the threads there are.
    package var voluntarySwitches = 0
    /// Context switches because another thread's turn had come, of the threads there are.
    package var involuntarySwitches = 0
    /// Threads.
    package var threads = 0
    /// Bytes of memory: its own, and its share of what it shares (`Pss` of `smaps_rollup`).
    package var memory: Int?

    /// The usage of a process and its descendants; `nil` if there is no such process or it may not
    /// be looked at.
    ///
    /// - Parameters:
    ///   - pid: the process.
    ///   - readsMemory: whether to look at the memory, which takes the kernel a while.
    package init?(of pid: pid_t, readsMemory: Bool = false) {
        guard add(pid, readsMemory) else { return nil }
    }

    private mutating func add(_ pid: pid_t, _ readsMemory: Bool) -> Bool {
        guard let stat = KernelFile.text("/proc/\(pid)/stat") else { return false }
        // The name, in brackets, may contain anything.
        let fields = (stat.split(separator: ")").last ?? "").split(separator: " ")
        guard fields.count > 13, let user = Int(fields[11]), let system = Int(fields[12]) else {
            return false
        }
        ticks += user + system
        kernelTicks += system
        processorTime += Self.processorTime(of: pid)
        let folder = "/proc/\(pid)/task"
        for thread in entries(in: folder) {
            addThread("\(folder)/\(thread)", readsMemory)
        }
        if readsMemory { memory = (memory ?? 0) + Self.memory(of: pid) }
        return true
    }

    private mutating func addThread(_ folder: String, _ readsMemory: Bool) {
        guard let status = KernelFile.text("\(folder)/status") else { return }
        threads += 1
        voluntarySwitches += Self.number(after: "\nvoluntary_ctxt_switches:", in: status)
        involuntarySwitches += Self.number(after: "\nnonvoluntary_ctxt_switches:", in: status)
        let children = KernelFile.text("\(folder)/children") ?? ""
        for child in children.split(separator: " ") {
            if let child = pid_t(child) { _ = add(child, readsMemory) }
        }
    }

    private static func processorTime(of pid: pid_t) -> Duration {
        var clock = clockid_t()
        var time = timespec()
        guard unsafe clock_getcpuclockid(pid, &clock) == 0,
            unsafe clock_gettime(clock, &time) == 0
        else { return .zero }
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    private static func memory(of pid: pid_t) -> Int {
        guard let text = KernelFile.text("/proc/\(pid)/smaps_rollup") else { return 0 }
        return number(after: "\nPss:", in: text) * 1024
    }

    private static func number(after name: String, in text: String) -> Int {
        guard let range = text.firstRange(of: name) else { return 0 }
        let digits = text[range.upperBound...].drop { $0 == " " || $0 == "\t" }
        return Int(digits.prefix { $0.isNumber }) ?? 0
    }
}

/// The names in a folder, without `.` and `..`; none if it cannot be read.
package func entries(in folder: String) -> [String] {
    guard let listing = unsafe opendir(folder) else { return [] }
    defer { unsafe closedir(listing) }
    var names: [String] = []
    while let entry = unsafe readdir(listing) {
        let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}
