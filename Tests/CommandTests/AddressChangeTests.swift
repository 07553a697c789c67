import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// In a network of its own, whose addresses can be changed.
@Suite(
    .timeLimit(.minutes(5)),
    .serialized,
    .enabled(
        if: geteuid() == 0 && isExecutable("/usr/bin/unshare") && ipCommand != nil,
        "needs root, unshare and ip"
    )
)
struct AddressChangeTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `an address change is logged while it listens on all addresses`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(
            model,
            ["--listen", "0.0.0.0:0"],
            through: ["/usr/bin/unshare", "--net"]
        )
        try await addAddress(to: server)
        let line = try await server.process.line(from: .standardError) { $0.contains("addresses") }
        #expect(line.hasSuffix("info: the addresses of this host have changed"))
        try await server.expectExit()
    }

    // A server for datagrams alone used to say nothing.
    @Test(
        arguments: EchoServer.IOModel.allCases,
        [["udp:0.0.0.0:0"], ["udp:[::]:0", "0.0.0.0:0"]]
    )
    func `where datagrams come from all addresses, too, and one change is one change`(
        _ model: EchoServer.IOModel,
        _ endpoints: [String]
    ) async throws {
        let server = try await RunningServer(
            model,
            endpoints.flatMap { ["--listen", $0] },
            through: ["/usr/bin/unshare", "--net"]
        )
        try await addAddress(to: server)
        let text = "the addresses of this host have changed"
        _ = try await server.process.line(from: .standardError) { $0.contains(text) }
        server.process.send(signal: SIGTERM)
        // What is counted twice is told at the end.
        let lines = try await server.process.result().errors.outputLines
        #expect(lines.count { $0.contains(text) } == 1, "\(lines)")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `it is of no interest to one that listens on one address`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, through: ["/usr/bin/unshare", "--net"])
        try await addAddress(to: server)
        try await server.expectExit()
        #expect(!server.process.text(of: .standardError).contains("addresses"))
    }

    // It used to write a line for each.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `many changes are a few lines, with their count`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(
            model,
            ["--listen", "0.0.0.0:0"],
            through: ["/usr/bin/unshare", "--net"]
        )
        let begin = MonotonicTime.now
        let folder = try TemporaryFolder()
        let changes = (0..<1000).map { number in
            "address \(number % 2 == 0 ? "add" : "delete") 127.77.77.77/32 dev lo\n"
        }
        _ = try folder.file("changes", holding: Array(changes.joined().utf8))
        try await ip(["-batch", folder.path("changes")], in: server)
        server.process.send(signal: SIGTERM)
        let lines = try await server.process.result().errors.outputLines
            .filter { $0.contains("the addresses of this host have changed") }
        let most = 2 + Int((MonotonicTime.now - begin) / .seconds(10))
        #expect((1...most).contains(lines.count), "\(lines.count)")
        let count = lines.compactMap { $0.firstMatch(of: /\ changes=(\d+)$/).flatMap { Int($0.1) } }
        // Several may have come to the server as one.
        #expect(count.allSatisfy { (2...1000).contains($0) }, "\(lines)")
    }

    private func addAddress(to server: RunningServer) async throws {
        try await ip(["address", "add", "127.77.77.77/32", "dev", "lo"], in: server)
    }

    private func ip(_ arguments: [String], in server: RunningServer) async throws {
        let command = try #require(ipCommand)
        let enter = ["--net", "--target", "\(server.process.pid)", command]
        let change = try RunningProcess("/usr/bin/nsenter", enter + arguments)
        #expect(try await change.result().exit == .code(0))
    }
}

private let ipCommand = ["/sbin/ip", "/usr/sbin/ip", "/bin/ip", "/usr/bin/ip"].first(
    where: isExecutable
)

private func isExecutable(_ path: String) -> Bool {
    unsafe access(path, X_OK) == 0
}
