import CEchoLinux
import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Options of sockets that the kernel does not know, or does not allow: none of them is essential
/// but those that keep a promise.
@Suite(.timeLimit(.minutes(5)))
struct SocketOptionTests {
    /// Every option that is set on a listening socket, by level and number.
    private static let options: [(name: String, level: CInt, number: CInt)] = [
        ("TCP_NODELAY", 6, TCP_NODELAY), ("SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE),
        ("TCP_NOTSENT_LOWAT", 6, TCP_NOTSENT_LOWAT), ("SO_RCVBUF", SOL_SOCKET, SO_RCVBUF),
        ("TCP_KEEPIDLE", 6, TCP_KEEPIDLE), ("TCP_KEEPINTVL", 6, TCP_KEEPINTVL),
        ("TCP_KEEPCNT", 6, TCP_KEEPCNT), ("TCP_USER_TIMEOUT", 6, TCP_USER_TIMEOUT),
        ("SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE), ("SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR),
        ("SO_PASSRIGHTS", SOL_SOCKET, 83),
    ]

    @Test func `no single option that is missing refuses a socket`() async throws {
        for option in Self.options {
            let call = "setsockopt-\(option.level)-\(option.number)"
            let faults = try await InjectedFaults([.init(call, ENOPROTOOPT)], fromStart: true)
            let folder = try TemporaryFolder()
            let unix = folder.path("socket")
            let endpoints = ["--listen", "127.0.0.1:0", "--listen", "unix:\(unix)"]
            let server = try await RunningServer(
                .completionPort,
                endpoints,
                through: faults.wrapper
            )
            try await server.expectEcho()
            let report = try await EchoLoad(connections: 3, bytes: 50_000)
                .run(against: .unix(unix))
            #expect(report.isComplete, "\(option.name): \(report)")
            #expect(faults.failures[0] > 0, "\(option.name)")
            try await server.expectExit()
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `with no option at all it serves, and closes what is idle`(
        _ model: EchoServer.IOModel
    ) async throws {
        let faults = try await InjectedFaults([.init("setsockopt", ENOPROTOOPT)], fromStart: true)
        let folder = try TemporaryFolder()
        let endpoints = ["--listen", "127.0.0.1:0", "--listen", "unix:\(folder.path("socket"))"]
        let server = try await RunningServer(
            model,
            endpoints + ["--idle-timeout", "3s", "--log-level", "debug"],
            through: faults.wrapper
        )
        var idle: [TestClient] = []
        defer { for client in idle { client.close() } }
        for address in [server.address, .unix(folder.path("socket"))] {
            let report = try await EchoLoad(connections: 3, bytes: 50_000).run(against: address)
            #expect(report.isComplete, "\(report)")
            let client = try await TestClient(to: address)
            idle.append(client)
            #expect(try await client.exchange([1, 2]) == [1, 2])
        }
        for client in idle {
            #expect(try await client.receiveToEnd().bytes == [])
            client.close()
        }
        let areTold = await eventually {
            let lines = server.process.lines(of: .standardError)
            return lines.count { $0.contains("cause=idle-timeout") } == 2
        }
        #expect(areTold, "\(server.process.lines(of: .standardError))")
        try await server.expectExit()
    }

    @Test func `the client connects without options`() async throws {
        let folder = try TemporaryFolder()
        let endpoints = ["--listen", "127.0.0.1:0", "--listen", "unix:\(folder.path("socket"))"]
        let server = try await RunningServer(.select, endpoints)
        let faults = try await InjectedFaults([.init("setsockopt", ENOPROTOOPT)], fromStart: true)
        for address in [server.address, .unix(folder.path("socket"))] {
            let client = try RunningProcess(
                "/usr/bin/env",
                faults.wrapper.dropFirst() + [
                    try BuiltProduct.path(named: "echo"), "client", "\(address)",
                ],
                input: .pipe
            )
            try await client.write("hello\n")
            client.closeInput()
            let result = try await client.result()
            #expect(result.exit == .code(0), "\(result.errors)")
            #expect(result.output == Array("hello\n".utf8))
        }
    }

    @Test func `the log names the options that are missing`() async throws {
        let rules = ["setsockopt-6-\(TCP_USER_TIMEOUT)", "setsockopt-1-\(SO_OOBINLINE)"].map {
            InjectedFaults.Rule($0, ENOPROTOOPT)
        }
        let faults = try await InjectedFaults(rules, fromStart: true)
        let server = try await RunningServer(.select, through: faults.wrapper)
        let line = try await server.process.line(from: .standardError) { $0.contains("options") }
        #expect(line.contains("notice: a listening socket does not know some options"))
        #expect(line.contains("options=\"SO_OOBINLINE TCP_USER_TIMEOUT\""), "\(line)")
        try await server.expectExit()
    }

    @Test func `IPv6 alone is essential where IPv4 would come along`() async throws {
        let rule = InjectedFaults.Rule("setsockopt-\(IPPROTO_IPV6)-\(IPV6_V6ONLY)", ENOPROTOOPT)
        let faults = try await InjectedFaults([rule], fromStart: true)
        let server = try await RunningServer(["--listen", "[::1]:0"], through: faults.wrapper)
        try await server.expectEcho()
        try await server.expectExit()
        let result = try await runEcho(["--listen", "[::]:0"], through: faults.wrapper)
        #expect(result.exit == .code(71), "\(result.exit)")
        #expect(result.errors == "echo: cannot listen on [::]:0: Protocol not available\n")
    }
}
