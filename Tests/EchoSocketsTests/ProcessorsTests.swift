import EchoSockets
import EchoTestSupport
import Testing

/// How many processors there are to use, with control groups as a folder has them.
@Suite struct ProcessorsTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let files: [String: String]
        let quota: Double?

        init(_ description: String, _ files: [String: String], _ quota: Double?) {
            testDescription = description
            self.files = files
            self.quota = quota
        }
    }

    private static let unified =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
    private static let separate = """
        31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
        33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw

        """
    private static let nested = """
        32 31 0:29 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpuacct,cpu

        """

    private static func version2(_ group: String, _ limits: [String: String]) -> [String: String] {
        var files = ["proc/self/cgroup": "0::\(group)\n", "proc/self/mountinfo": unified]
        for (folder, limit) in limits { files["sys/fs/cgroup\(folder)/cpu.max"] = limit + "\n" }
        return files
    }

    private static func version1(
        _ group: String,
        _ limits: [String: String],
        _ mounts: String = separate
    ) -> [String: String] {
        var files = [
            "proc/self/cgroup":
                "9:cpuset:/other\n4:cpu,cpuacct:\(group)\n1:name=systemd:/x\n0::/y\n",
            "proc/self/mountinfo": mounts,
        ]
        for (folder, limit) in limits {
            let parts = limit.split(separator: " ")
            files["sys/fs/cgroup/cpu,cpuacct\(folder)/cpu.cfs_quota_us"] = parts[0] + "\n"
            files["sys/fs/cgroup/cpu,cpuacct\(folder)/cpu.cfs_period_us"] = parts[1] + "\n"
        }
        return files
    }

    static let cases: [Case] = [
        Case("no files", [:], nil),
        Case("version 2, no quota", version2("/a", ["/a": "max 100000"]), nil),
        Case("version 2, own quota", version2("/a/b", ["/a/b": "50000 100000"]), 0.5),
        Case(
            "version 2, an ancestor's quota",
            version2("/a/b/c", ["/a/b/c": "max 100000", "/a": "150000 100000"]),
            1.5
        ),
        Case(
            "version 2, the smallest counts",
            version2("/a/b", ["/a/b": "400000 100000", "/a": "20000 10000"]),
            2
        ),
        Case("version 2, a container", version2("/", ["": "250000 100000"]), 2.5),
        Case("version 2, a group not to be seen", version2("/../x", ["": "100000 100000"]), 1),
        Case("version 2, nonsense", version2("/a", ["/a": "x y"]), nil),
        Case("version 1, no quota", version1("/a", ["/a": "-1 100000"]), nil),
        Case("version 1, own quota", version1("/a", ["/a": "50000 100000"]), 0.5),
        Case(
            "version 1, an ancestor's quota",
            version1("/a/b", ["/a/b": "-1 100000", "/a": "300000 100000"]),
            3
        ),
        Case(
            "version 1, a container without a name space of its own",
            version1("/docker/abc/d", ["/d": "-1 100000", "": "200000 100000"], nested),
            2
        ),
    ]

    @Test(arguments: cases)
    func `the quota is the smallest of the group's and those above it`(_ example: Case) throws {
        let folder = try TemporaryFolder()
        for (path, text) in example.files { try folder.write(text, to: path) }
        #expect(ControlGroup(root: folder.path).processorQuota == example.quota)
    }

    @Test(arguments: [
        ("50000 100000", 1), ("100000 100000", 1), ("100001 100000", 2), ("150000 100000", 2),
        ("800000 100000", 8), ("9000000 100000", 8), ("max 100000", 8), ("1 1000000", 1),
    ])
    func `a quota is rounded up, and bounded by the affinity mask`(
        _ limit: String,
        _ expected: Int
    ) throws {
        let folder = try TemporaryFolder()
        for (path, text) in Self.version2("/", ["": limit]) { try folder.write(text, to: path) }
        let group = ControlGroup(root: folder.path)
        #expect(Processors.available(in: group, affinity: 8) == expected)
    }

    @Test func `there is at least one`() {
        #expect(Processors.available >= 1)
        #expect(Processors.available(in: ControlGroup(root: "/no/such"), affinity: 0) == 1)
    }
}
