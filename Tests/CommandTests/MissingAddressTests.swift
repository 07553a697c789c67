import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Listening where IPv4 or IPv6 is missing, or where a name leads to addresses of other machines.
@Suite(
    .timeLimit(.minutes(5)),
    .serialized,
    .enabled(if: geteuid() == 0, "only root can make a network")
)
struct MissingAddressTests {
    /// A way to be without one of the two.
    struct Lack: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// What takes it away, as a shell's command.
        let command: String
        /// What `localhost` is then.
        let localhost: String
        /// What is logged as missing.
        let missing: String
    }

    static let lacks = [
        Lack(
            testDescription: "no IPv4 address",
            command: "ip -4 address flush dev lo",
            localhost: "[::1]",
            missing: "127.0.0.1"
        ),
        Lack(
            testDescription: "no IPv6 address",
            command: "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6",
            localhost: "127.0.0.1",
            missing: "[::1]"
        ),
    ]

    @Test(arguments: lacks, EchoServer.IOModel.allCases)
    func `localhost is the one that is there`(
        _ lack: Lack,
        _ model: EchoServer.IOModel
    ) async throws {
        let network = try await NetworkNamespace()
        try await network.run("/bin/sh", "-c", lack.command)
        let process = try start(
            network,
            ["--model", model.rawValue, "--listen", "localhost:0", "--metrics", "localhost:0"]
        )
        let line = try await process.line()
        #expect(line.hasPrefix("listening on \(lack.localhost):"), "\(line)")
        let reasons = [
            "Cannot assign requested address", "Address family not supported by protocol",
        ]
        for place in ["listen on", "serve metrics on"] {
            let missing = try await process.line(from: .standardError) {
                $0.contains("cannot \(place) one of the addresses of an endpoint")
            }
            #expect(missing.contains(" info: "), "\(missing)")
            #expect(missing.contains(" endpoint=\(lack.missing):0 "), "\(missing)")
            #expect(reasons.contains { missing.contains($0) }, "\(missing)")
        }
        let metrics = try await process.line(from: .standardError) {
            $0.contains("serving metrics endpoint=")
        }
        #expect(metrics.contains("endpoint=\(lack.localhost):"), "\(metrics)")
        try await expectEcho(of: line, in: network)
        try await expectExit(process)
    }

    @Test(arguments: [
        (AF_INET, "[::]", "127.0.0.1"), (AF_INET6, "0.0.0.0", "[::1]"),
    ])
    func `localhost and every address are those of the family that the kernel has`(
        _ family: CInt,
        _ wildcard: String,
        _ missing: String
    ) async throws {
        let faults = try await InjectedFaults(
            [.init(family == AF_INET ? "socket-ipv4" : "socket-ipv6", EAFNOSUPPORT)],
            fromStart: true
        )
        for host in ["*", "localhost"] {
            let command = faults.wrapper + [try BuiltProduct.path(named: "echo")]
            let flags = ["--listen", "\(host):0", "--metrics", "\(host):0"]
            let process = try RunningProcess(command[0], command.dropFirst() + flags)
            let line = try await process.line()
            let present = family == AF_INET ? "[::1]" : "127.0.0.1"
            #expect(line.hasPrefix("listening on \(host == "*" ? wildcard : present):"), "\(line)")
            try await expectExit(process)
            #expect(process.lines(of: .standardOutput).count == 1)
        }
    }

    @Test(arguments: [
        "192.0.2.1 two.test\n127.0.0.1 two.test\n", "127.0.0.1 two.test\n192.0.2.1 two.test\n",
        "192.0.2.1 two.test\n2001:db8::1 two.test\n127.0.0.1 two.test\n::1 two.test\n",
    ])
    func `addresses of a name that are not of this machine are named in the log`(
        _ hosts: String
    ) async throws {
        let network = try await NetworkNamespace()
        let folder = try TemporaryFolder()
        _ = try folder.file("hosts", holding: Array(hosts.utf8))
        let process = try start(
            network,
            ["--listen", "two.test:0", "--metrics", "two.test:0"],
            through: Self.withHosts(folder.path("hosts"))
        )
        let line = try await process.line { $0.hasPrefix("listening on 127.0.0.1:") }
        for place in ["listen on", "serve metrics on"] {
            let missing = try await process.line(from: .standardError) {
                $0.contains("cannot \(place) one of the addresses") && $0.contains("=192.0.2.1:")
            }
            #expect(missing.contains(" warning: "), "\(missing)")
            #expect(missing.contains(" endpoint=192.0.2.1:0 "), "\(missing)")
            #expect(missing.contains("=two.test:0"), "\(missing)")
            #expect(missing.contains("Cannot assign requested address"), "\(missing)")
        }
        try await expectEcho(of: line, in: network)
        try await expectExit(process)
    }

    @Test func `a name that leads nowhere on this machine is refused with its address`()
        async throws
    {
        let network = try await NetworkNamespace()
        let folder = try TemporaryFolder()
        _ = try folder.file(
            "hosts",
            holding: Array("192.0.2.1 other.test\n2001:db8::1 other.test\n".utf8)
        )
        for flags in [
            ["--listen", "other.test:7"], ["--listen", "127.0.0.1:0", "--metrics", "other.test:7"],
        ] {
            let process = try start(network, flags, through: Self.withHosts(folder.path("hosts")))
            let result = try await process.result()
            #expect(result.exit == .code(69))
            #expect(result.errors.contains(": Cannot assign requested address"), "\(result.errors)")
            #expect(result.errors.contains("cannot listen on "), "\(result.errors)")
        }
    }

    @Test func `an address of a name that is in use is an error, not a missing one`() async throws {
        let network = try await NetworkNamespace()
        let folder = try TemporaryFolder()
        _ = try folder.file(
            "hosts",
            holding: Array("192.0.2.1 two.test\n127.0.0.1 two.test\n".utf8)
        )
        let other = try start(network, ["--listen", "127.0.0.1:77"])
        _ = try await other.line()
        let process = try start(
            network,
            ["--listen", "two.test:77"],
            through: Self.withHosts(folder.path("hosts"))
        )
        let result = try await process.result()
        #expect(result.exit == .code(69))
        #expect(result.errors.contains("cannot listen on 127.0.0.1:77: Address already in use"))
        try await expectExit(other)
    }

    // Other names than those of this machine: in a mount namespace of its own.
    private static func withHosts(_ path: String) -> [String] {
        let script = "mount --bind '\(path)' /etc/hosts && exec \"$@\""
        return ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", script, "sh"]
    }

    private func start(
        _ network: NetworkNamespace,
        _ flags: [String],
        through wrapper: [String] = []
    ) throws -> RunningProcess {
        let command = network.wrapper + wrapper + [try BuiltProduct.path(named: "echo")] + flags
        return try RunningProcess(command[0], Array(command.dropFirst()))
    }

    private func expectEcho(of line: String, in network: NetworkNamespace) async throws {
        let endpoint = String(line.dropFirst("listening on ".count))
        let command = network.wrapper + [try BuiltProduct.path(named: "echo"), "check", endpoint]
        let check = try RunningProcess(
            command[0],
            command.dropFirst() + ["--only", "one-byte", "--only", "half-close", "--size", "1MiB"]
        )
        let result = try await check.result()
        #expect(result.exit == .code(0), "\(String(decoding: result.output, as: UTF8.self))")
    }

    private func expectExit(_ process: RunningProcess) async throws {
        process.send(signal: SIGTERM)
        let result = try await process.result()
        #expect(result.exit == .code(0), "\(result.errors)")
    }
}
