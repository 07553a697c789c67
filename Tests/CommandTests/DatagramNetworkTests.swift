import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Datagrams on the well-known port, on a host with several addresses: in a network of their own.
@Suite(.timeLimit(.minutes(5)), .enabled(if: geteuid() == 0, "a network needs root"))
struct DatagramNetworkTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `an answer leaves from the address that was asked, not from the nearest`(
        _ model: EchoServer.IOModel
    ) async throws {
        let network = try await NetworkNamespace(
            addresses: ["10.7.0.1/32", "10.7.0.2/32", "fd07::1/128", "fd07::2/128"]
        )
        let server = try await RunningServer(
            model,
            ["--listen", "udp:0.0.0.0:7", "--listen", "udp:[::]:7"],
            through: network.wrapper
        )
        try await network.onThread {
            for (own, others) in [
                ("10.7.0.1", ["10.7.0.2", "127.0.0.9", "10.7.0.1"]),
                ("fd07::1", ["fd07::2", "::1", "fd07::1"]),
            ] {
                let client = try DatagramClient(
                    at: try #require(SocketAddress(numeric: own, port: 0))
                )
                for other in others {
                    let asked = try #require(SocketAddress(numeric: other, port: 7))
                    let answer = try client.exchange(Array(other.utf8), with: asked)
                    #expect(answer?.source == asked)
                    #expect(answer?.bytes == Array(other.utf8))
                }
            }
        }
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a forged datagram starts no loop with xinetd's echo`(
        _ model: EchoServer.IOModel
    ) async throws {
        let loop = try await LoopWithXinetd(model, [])
        let refusals = "echo_datagrams_refused_total{reason=\"reserved-port\"}"
        try await loop.forgeFromXinetd()
        let refusesForged = try await eventually { try await loop.count(refusals) == 1 }
        #expect(refusesForged)
        let refusesAnswers = try await eventually {
            try await loop.forgeToXinetd()
            return try await loop.count(refusals) > 1
        }
        #expect(refusesAnswers)
        #expect(try await loop.count("echo_datagrams_sent_total") == 0)
        try await loop.server.expectExit()
    }

    /// What the guard is for.
    ///
    /// How long it then goes on depends on xinetd, which discards what is queued behind a datagram
    /// that it answers.
    @Test func `without a guard xinetd's answer is answered`() async throws {
        let loop = try await LoopWithXinetd(.completionPort, ["--no-loop-guard"])
        let answers = try await eventually {
            try await loop.forgeToXinetd()
            return try await loop.count("echo_datagrams_sent_total") > 0
        }
        #expect(answers)
        try await loop.server.expectExit()
    }
}

/// A server beside xinetd's echo of datagrams.
private struct LoopWithXinetd {
    private static let port: UInt16 = 5150

    let server: RunningServer
    private let network: NetworkNamespace
    private let folder: TemporaryFolder
    private let metrics: String
    private let xinetd: RunningProcess
    private let other = SocketAddress.ipv4(0x0A07_0002, port: 7)

    init(_ model: EchoServer.IOModel, _ flags: [String]) async throws {
        network = try await NetworkNamespace(addresses: ["10.7.0.1/32", "10.7.0.2/32"])
        folder = try TemporaryFolder()
        metrics = folder.path("metrics.sock")
        server = try await RunningServer(
            model,
            ["--listen", "udp:10.7.0.1:\(Self.port)", "--metrics", "unix:\(metrics)"] + flags,
            through: network.wrapper
        )
        _ = try folder.file("xinetd.conf", holding: Array(Self.configuration.utf8))
        let arguments =
            network.wrapper.dropFirst() + [
                "/usr/sbin/xinetd", "-dontfork", "-f", folder.path("xinetd.conf"), "-pidfile",
                folder.path("pid"), "-filelog", folder.path("log"),
            ]
        xinetd = try RunningProcess(network.wrapper[0], Array(arguments))
        let answers = try await network.onThread { [other] in
            let client = try DatagramClient(at: .ipv4(0x0A07_0001, port: 0))
            return try eventuallyBlocking {
                try client.send([0], to: other)
                return try client.receive(within: .milliseconds(100)) != nil
            }
        }
        #expect(answers)
    }

    func forgeFromXinetd() async throws {
        let address = server.address
        try await network.onThread { [other] in try forge([1], from: other, to: address) }
    }

    /// May be in vain: to be done again.
    func forgeToXinetd() async throws {
        let address = server.address
        try await network.onThread { [other] in try forge([2], from: address, to: other) }
    }

    func count(_ metric: String) async throws -> Int {
        let page = try await HTTPExchange("/metrics", with: .unix(metrics)).body
        let line = page.outputLines.first { $0.hasPrefix("\(metric) ") }
        return line.flatMap { Int($0.dropFirst(metric.count + 1)) } ?? 0
    }

    private static let configuration = """
        service echo
        {
            type = INTERNAL UNLISTED
            id = echo-dgram
            socket_type = dgram
            protocol = udp
            wait = yes
            user = root
            bind = 10.7.0.2
            port = 7
        }
        """
}
