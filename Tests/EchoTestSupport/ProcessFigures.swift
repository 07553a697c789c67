package import Glibc

/// What the kernel knows of a process.
package struct ProcessFigures: Sendable {
    /// The process.
    package let pid: pid_t

    /// The figures of a process, the calling one by default.
    package init(pid: pid_t = getpid()) {
        self.pid = pid
    }

    /// What every open descriptor refers to, such as `socket:[4711]`, by its number.
    ///
    /// Count them in an exit test: in a process of its own, where no other test opens any.
    package var openDescriptors: [CInt: String] {
        let folder = "/proc/\(pid)/fd"
        var found: [CInt: String] = [:]
        guard let listing = unsafe opendir(folder) else { return found }
        let ownNumber = unsafe dirfd(listing)
        while let entry = unsafe readdir(listing) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let number = CInt(name), pid != getpid() || number != ownNumber else { continue }
            found[number] = Self.link("\(folder)/\(name)")
        }
        unsafe closedir(listing)
        return found
    }

    /// How many descriptors are open.
    package var openDescriptorCount: Int { openDescriptors.count }

    /// The sockets and pipes that are open, such as `socket:[4711]`.
    ///
    /// Not the descriptors of Dispatch, which opens a timer when it first needs one.
    package var openSocketsAndPipes: Set<String> {
        Set(openDescriptors.values.filter { $0.hasPrefix("socket:") || $0.hasPrefix("pipe:") })
    }

    /// How much processor time all threads have used, those that have ended included; exact to the
    /// nanosecond.
    ///
    /// Zero if there is no such process.
    package var cpuTime: Duration {
        var clock = clockid_t()
        var time = timespec()
        guard unsafe clock_getcpuclockid(pid, &clock) == 0,
            unsafe clock_gettime(clock, &time) == 0
        else { return .zero }
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// Bytes of memory in use, shared pages included.
    package var residentBytes: Int { status("VmRSS:") * 1024 }

    /// Bytes of memory that were in use at once at most, shared pages included.
    package var peakResidentBytes: Int { status("VmHWM:") * 1024 }

    /// Bytes of memory in use that are the process's own: heap and stacks.
    package var anonymousBytes: Int { status("RssAnon:") * 1024 }

    /// How many threads there are.
    package var threadCount: Int { status("Threads:") }

    /// The signals that it has handlers for: bit n - 1 stands for signal n.
    package var caughtSignals: UInt64 { UInt64(field("SigCgt:"), radix: 16) ?? 0 }

    private func status(_ key: String) -> Int { Int(field(key)) ?? 0 }

    // The first word of a line of `status`, proc(5).
    private func field(_ key: String) -> Substring {
        let text = String(decoding: readFile("/proc/\(pid)/status"), as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix(key) }
        return line?.dropFirst(key.count).split(whereSeparator: \.isWhitespace).first ?? ""
    }

    private static func link(_ path: String) -> String {
        unsafe withUnsafeTemporaryAllocation(byteCount: Int(PATH_MAX), alignment: 1) { buffer in
            let base = unsafe buffer.assumingMemoryBound(to: CChar.self).baseAddress
            guard let base = unsafe base else { return "" }
            let count = unsafe readlink(path, base, buffer.count)
            return unsafe String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
        }
    }
}

/// Lets the process open as many descriptors as the system allows it.
///
/// - Returns: how many that is.
@discardableResult
package func raiseDescriptorLimit() -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
        return 0
    }
    limit.rlim_cur = limit.rlim_max
    _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return Int(clamping: limit.rlim_cur)
}

/// The bytes of a file; none if it cannot be read.
package func readFile(_ path: String) -> [UInt8] {
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { return [] }
    defer { close(number) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
        let count = unsafe read(number, &buffer, buffer.count)
        if count <= 0 { return bytes }
        bytes += buffer[..<count]
    }
}
