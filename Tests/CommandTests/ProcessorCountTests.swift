import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What the number of workers follows.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct ProcessorCountTests {
    private static func workers(through wrapper: [String]) async throws -> String? {
        let result = try await runEcho(["serve", "--check-config"], through: wrapper)
        #expect(result.exit == .code(0), "\(result.errors)")
        let line = result.output.outputLines.first { $0.hasPrefix("# workers = ") }
        return line?.split(separator: " ").last.map(String.init)
    }

    @Test func `taskset on one processor leaves one`() async throws {
        let one = ["/usr/bin/taskset", "-c", try Self.firstProcessor()]
        #expect(try await Self.workers(through: one) == "1")
        let (alone, two) = (
            try await RunningServer(.completionPort, through: one),
            try await RunningServer(.completionPort, ["--workers", "2"], through: one)
        )
        try await two.expectEcho()
        try await alone.expectEcho()
        let fewer = await eventually {
            two.figures.threadCount == alone.figures.threadCount + 1
        }
        #expect(fewer, "\(alone.figures.threadCount), \(two.figures.threadCount)")
        try await alone.expectExit()
        try await two.expectExit()
    }

    // The first of the mask of these tests: processor 0 may not be theirs.
    private static func firstProcessor() throws -> String {
        let status = String(decoding: readFile("/proc/self/status"), as: UTF8.self)
        let line = try #require(
            status.outputLines.first { $0.hasPrefix("Cpus_allowed_list:") }
        )
        let list = try #require(line.split(separator: "\t").last)
        return try #require(list.split { $0 == "-" || $0 == "," }.first.map(String.init))
    }

    // As the kernel would show them: control groups that allow bounds are not everywhere.
    @Test(
        .enabled(if: geteuid() == 0, "only root can mount"),
        arguments: [
            ("max 100000", nil), ("50000 100000", "1"), ("100000 100000", "1"),
        ]
    )
    func `a quota of the control group leaves as many as it pays for`(
        _ limit: String,
        _ expected: String?
    ) async throws {
        let folder = try TemporaryFolder()
        try folder.write("0::/pod/box\n", to: "cgroup")
        try folder.write(
            "30 23 0:26 / \(folder.path)/tree rw - cgroup2 cgroup2 rw\n",
            to: "mountinfo"
        )
        try folder.write(limit + "\n", to: "tree/pod/cpu.max")
        try folder.write("max 100000\n", to: "tree/pod/box/cpu.max")
        // The shell becomes the program, and keeps its number.
        let script = """
            for file in cgroup mountinfo; do mount --bind "$0/$file" "/proc/$$/$file"; done
            exec "$@"
            """
        let wrapper = ["/usr/bin/unshare", "--mount", "/bin/sh", "-e", "-c", script, folder.path]
        #expect(
            try await Self.workers(through: wrapper) == expected ?? "\(Processors.affinity)"
        )
    }
}
