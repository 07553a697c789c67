import CEchoLinux
import Glibc

/// The number of processors available to this process.
///
/// Not the number in the machine: its affinity mask (sched_setaffinity(2); `taskset`,
/// `CPUAffinity=`, cpusets) and the quota of its control group (cgroups(7); `CPUQuota=`, `docker
/// run --cpus`) may leave it fewer. Any thread.
package enum Processors {
    /// The number now, at least 1.
    ///
    /// A quota is rounded up: one of 50 % is 1, and one of 150 % is 2.
    ///
    /// Reads a few small files of `/proc` and of the control groups.
    package static var available: Int {
        available(in: ControlGroup(), affinity: affinity)
    }

    /// The number that a control group and an affinity mask leave.
    package static func available(in group: ControlGroup, affinity: Int) -> Int {
        guard let quota = group.processorQuota else { return max(1, affinity) }
        return max(1, min(affinity, Int(min(quota, 1_000_000).rounded(.up))))
    }

    /// The number of processors in the affinity mask of the calling thread.
    ///
    /// The corresponding C function is `sched_getaffinity`.
    package static var affinity: Int {
        let allowed = allowed
        return allowed.isEmpty ? sysconf(CInt(_SC_NPROCESSORS_ONLN)) : allowed.count
    }

    /// The processors in the affinity mask of the calling thread, by number.
    ///
    /// The corresponding C function is `sched_getaffinity`.
    package static var allowed: [Int] {
        // A mask that is too small is refused (EINVAL); 1024 processors, and again twice as many.
        var words = 16
        while words <= 1 << 16 {
            var mask = [UInt](repeating: 0, count: words)
            let size = UInt(words * MemoryLayout<UInt>.size)
            if unsafe clinux_sched_getaffinity(size, &mask) >= 0 {
                return (0..<words * UInt.bitWidth).filter { number in
                    mask[number / UInt.bitWidth] & 1 << (number % UInt.bitWidth) != 0
                }
            }
            guard errno == EINVAL else { break }
            words *= 2
        }
        return []
    }

    /// Sets the affinity mask of the calling thread, which threads and processes that it starts
    /// inherit.
    ///
    /// The corresponding C function is `sched_setaffinity`.
    ///
    /// - Parameter processors: numbers of processors.
    /// - Returns: whether the kernel has accepted it: at least one of them exists and is allowed.
    @discardableResult
    package static func allow(_ processors: [Int]) -> Bool {
        guard let last = processors.max(), last < 1 << 16, processors.allSatisfy({ $0 >= 0 }) else {
            return false
        }
        var mask = [UInt](repeating: 0, count: last / UInt.bitWidth + 1)
        for number in processors { mask[number / UInt.bitWidth] |= 1 << (number % UInt.bitWidth) }
        let size = UInt(mask.count * MemoryLayout<UInt>.size)
        return unsafe clinux_sched_setaffinity(0, size, mask) == 0
    }
}

/// The control group of this process, as far as it limits processor time: version 2 (one tree) or 1
/// (a tree for each controller), cgroups(7).
///
/// Found through `/proc`; without it, neither group nor quota is known.
package struct ControlGroup: Sendable {
    /// The number of processors that the quotas of the group and its ancestors pay for; `nil`
    /// without a quota.
    package let processorQuota: Double?

    /// The group of this process.
    ///
    /// - Parameter root: put before every path.
    package init(root: String = "") {
        let groups = Self.lines("\(root)/proc/self/cgroup").map { line in
            line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        }
        let mounts = Self.lines("\(root)/proc/self/mountinfo").compactMap(Mount.init)
        var quotas: [Double] = []
        for group in groups where group.count == 3 {
            let isUnified = group[0] == "0" && group[1].isEmpty
            guard isUnified || group[1].split(separator: ",").contains("cpu"),
                let mount = mounts.first(where: { $0.isUnified == isUnified })
            else { continue }
            for folder in mount.folders(of: group[2]) {
                let quota = isUnified ? Self.unified(root + folder) : Self.separate(root + folder)
                if let quota { quotas.append(quota) }
            }
        }
        processorQuota = quotas.min()
    }

    // `max 100000`, or microseconds in each period of so many.
    private static func unified(_ folder: String) -> Double? {
        guard let fields = lines("\(folder)/cpu.max").first?.split(separator: " "),
            fields.count == 2
        else { return nil }
        return ratio(fields[0], fields[1])
    }

    // The same in two files; -1 is no bound.
    private static func separate(_ folder: String) -> Double? {
        guard let quota = lines("\(folder)/cpu.cfs_quota_us").first,
            let period = lines("\(folder)/cpu.cfs_period_us").first
        else { return nil }
        return ratio(quota, period)
    }

    private static func ratio(_ quota: Substring, _ period: Substring) -> Double? {
        guard let quota = Double(quota), let period = Double(period), quota > 0, period > 0 else {
            return nil
        }
        return quota / period
    }

    private static func lines(_ path: String) -> [Substring] {
        KernelFile.text(path)?.split(separator: "\n") ?? []
    }

    /// A mounted tree of control groups: a line of `/proc/self/mountinfo`, proc(5).
    private struct Mount {
        let isUnified: Bool
        private let root: String
        private let point: String

        // `31 23 0:28 ROOT POINT OPTIONS [MORE ...] - TYPE SOURCE OPTIONS`.
        init?(_ line: Substring) {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count == dash + 4 else {
                return nil
            }
            let options = fields[dash + 3].split(separator: ",")
            switch fields[dash + 1] {
            case "cgroup2": isUnified = true
            case "cgroup" where options.contains("cpu"): isUnified = false
            default: return nil
            }
            root = String(fields[3])
            point = String(fields[4])
        }

        /// The folders of a group and its ancestors, as far as they are mounted.
        func folders(of path: Substring) -> [String] {
            // A container may see less than the whole tree.
            let prefix = root == "/" ? "" : root
            let isWithin = path.hasPrefix(prefix + "/") && !path.contains("/..")
            var names = isWithin ? path.dropFirst(prefix.count).split(separator: "/") : []
            var folders = [point]
            while !names.isEmpty {
                folders.append(point + "/" + names.joined(separator: "/"))
                names.removeLast()
            }
            return folders
        }
    }
}
