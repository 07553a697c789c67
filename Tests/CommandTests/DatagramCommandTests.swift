import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `--listen udp:…` and the flags about datagrams.
@Suite(.timeLimit(.minutes(5)))
struct DatagramCommandTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `datagrams come back, and SIGTERM ends it`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(
            model,
            ["--listen", "udp:127.0.0.1:0", "--listen", "127.0.0.1:0"]
        )
        let address = server.address
        try await onThread {
            let client = try DatagramClient()
            #expect(try client.exchange([1, 2, 3], with: address)?.bytes == [1, 2, 3])
        }
        try await server.expectExit()
        #expect(try await server.process.result().errors.contains("endpoint=udp:127.0.0.1:"))
    }

    /// The server is stopped meanwhile, so that all are queued when it learns of the signal.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `what is queued at SIGTERM is answered before the end`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, ["--listen", "udp:127.0.0.1:0"])
        let address = server.address
        let client = try DatagramClient()
        server.process.send(signal: SIGSTOP)
        for number in UInt8(0)..<200 { try client.send([number], to: address) }
        server.process.send(signal: SIGTERM)
        server.process.send(signal: SIGCONT)
        let result = try await server.process.result()
        #expect(result.exit == .code(0), "\(result.errors)")
        try await onThread {
            let answers = try (0..<200).compactMap { _ in try client.receive()?.bytes }
            #expect(Set(answers) == Set((UInt8(0)..<200).map { [$0] }))
        }
    }

    @Test(arguments: [
        ["--no-loop-guard"], ["--loop-guard", "off"], ["--loop-guard=off", "--no-loop-guard"],
    ])
    func `the loop guard can be turned off`(_ flags: [String]) async throws {
        #expect(try await setting("loop-guard", flags).hasPrefix("loop-guard = off"))
    }

    @Test func `the loop guard is on, with a thousand datagrams a second, unless told otherwise`()
        async throws
    {
        #expect(try await setting("loop-guard", []).hasPrefix("# loop-guard = on"))
        #expect(try await setting("datagram-rate", []).hasPrefix("# datagram-rate = 1000"))
        let given = try await setting("datagram-rate", ["--datagram-rate", "7"])
        #expect(given.hasPrefix("datagram-rate = 7"))
    }

    private func setting(_ key: String, _ flags: [String]) async throws -> Substring {
        let result = try await runEcho(flags + ["--check-config"])
        #expect(result.exit == .code(0), "\(result.errors)")
        return try #require(result.output.outputLines.first { $0.contains("\(key) = ") })
    }

    @Test(arguments: [
        (["--no-loop-guard", "--loop-guard", "on"], "contradicts"),
        (["--metrics", "udp:127.0.0.1:9"], "HTTP is not served over UDP"),
        (["client", "udp:*:9"], "* stands for all addresses"),
        (["client", "--connect-timeout", "1s", "udp:127.0.0.1:9"], "does not apply to UDP"),
        (["check", "udp:127.0.0.1:0"], "no server listens on port 0"),
        (["check", "--only", "churn", "udp:127.0.0.1:9"], "churn does not apply to UDP"),
        (["check", "--only", "udp-once", "127.0.0.1:9"], "does not apply to connections"),
    ])
    func `what cannot be done with datagrams is said, 64`(
        _ arguments: [String],
        _ reason: String
    ) async throws {
        let result = try await runEcho(arguments)
        #expect(result.exit == .code(64))
        #expect(result.errors.contains(reason), "\(result.errors)")
    }

    @Test func `an address in use is named, 69`() async throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let endpoint = "udp:\(socket.address)"
        let result = try await runEcho(["--listen", endpoint])
        #expect(result.exit == .code(69))
        #expect(result.errors == "echo: cannot listen on \(endpoint): Address already in use\n")
    }
}
