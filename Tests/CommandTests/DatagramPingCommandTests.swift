import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `echo ping udp:…`, with the real server of every model and with wrong ones.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct DatagramPingCommandTests {
    private let fast = ["-c", "6", "--interval", "20ms", "--timeout", "20s"]

    /// Sends six probes to a scripted server; again, to a new one, where this machine was too late
    /// for one of them, which is not sent then.
    private func pingInTime(
        _ flags: [String],
        _ answers: @escaping @Sendable (Int, [UInt8]) -> [[UInt8]]
    ) async throws -> (exit: RunningProcess.Exit, output: String, errors: String) {
        var last = ""
        for _ in 0..<20 {
            let server = try ScriptedDatagramServer(answers)
            let plan = ["-c", "6", "--interval", "100ms", "udp:\(server.address)"]
            let result = try await runEcho(["ping"] + flags + plan)
            if server.count == 6 { return result }
            last = "\(server.count) probes came: \(result)"
        }
        throw DeadlineExceeded(description: last)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `every model answers every probe`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model, ["--listen", "udp:127.0.0.1:0"])
        let endpoint = "udp:\(server.address)"
        for flags in [[], ["--new-connection"], ["--size", "65507"], ["--size", "1"]] {
            let result = try await runEcho(["ping", "--csv"] + fast + flags + [endpoint])
            #expect(result.exit == .code(0), "\(result)")
            let report = try row(result.output)
            #expect(report["received"] == report["sent"], "\(result.output)")
            #expect(report["endpoint"] == endpoint)
            #expect(report["address"] == "\(server.address)")
            #expect(report["lost"] == "0" && report["duplicates"] == "0")
            #expect(report["connections"] == "0" && report["failed_connections"] == "0")
            #expect(report["connect_mean_ns"] == "" && report["connect_max_ns"] == "")
        }
        try await server.expectExit()
    }

    @Test func `each third datagram is lost, 1, and thresholds see it`() async throws {
        let timeout = ["--timeout", "1500ms"]
        let result = try await pingInTime(timeout) { $0 % 3 == 2 ? [] : [$1] }
        #expect(result.exit == .code(1), "\(result)")
        #expect(result.output.contains("  lost: no echo within 1500ms\n"), "\(result.output)")
        #expect(result.output.contains(" 2 lost (33.3 %), 0 wrong\n"), "\(result.output)")
        for (limits, code) in [
            (["--warn", "50%"], 0), (["--warn", "30%"], 1),
            (["--warn", "10%", "--critical", "100s,30%"], 2),
        ] as [([String], CInt)] {
            let result = try await pingInTime(["--nagios"] + limits + timeout) {
                $0 % 3 == 2 ? [] : [$1]
            }
            #expect(result.exit == .code(code), "\(result)")
            #expect(result.output.contains("33.3 % lost"), "\(result)")
        }
    }

    @Test func `a server that answers twice is told, 0`() async throws {
        let timeout = ["--timeout", "20s"]
        let result = try await pingInTime(timeout) { [$1, $1] }
        #expect(result.exit == .code(0), "\(result)")
        #expect(result.output.contains("  seq 1  duplicate  "), "\(result.output)")
        #expect(result.output.contains(" duplicate\n"), "\(result.output)")
        let lines = try await pingInTime(["--jsonl"] + timeout) { [$1, $1] }
        #expect(lines.output.contains("\"result\":\"duplicate\",\"round_trip_ns\":"))
        #expect(lines.output.contains("\"connect\":null,"), "\(lines.output)")
    }

    @Test func `wrong bytes, 1`() async throws {
        let server = try ScriptedDatagramServer { [$1.map { $0 ^ 1 }] }
        // Of two that wait, it could not tell whose the bytes are.
        let flags = ["-c", "1", "--timeout", "20s"]
        let result = try await runEcho(["ping"] + flags + ["udp:\(server.address)"])
        #expect(result.exit == .code(1), "\(result)")
        #expect(result.output.contains("  seq 0  WRONG: offset "), "\(result.output)")
        #expect(server.count == 1)
    }

    @Test func `a closed port, 69, with the summary`() async throws {
        let address = try DatagramClient(at: .ipv4(0x7F00_0620, port: 0)).address
        let arguments = ["ping", "-c", "6", "--interval", "100ms", "udp:\(address)"]
        var result = try await runEcho(arguments)
        // Where this machine was too late for a probe, it was not sent: again.
        for _ in 1..<20 where result.output.contains("not sent") {
            result = try await runEcho(arguments)
        }
        #expect(result.exit == .code(69), "\(result)")
        #expect(result.output.contains("  seq 0  lost: Connection refused\n"), "\(result.output)")
        #expect(result.output.contains("  seq 5  lost: Connection refused\n"), "\(result.output)")
        #expect(result.output.contains(" 0 received, "), "\(result.output)")
        #expect(
            result.errors == "echo: cannot connect to udp:\(address): Connection refused\n"
        )
    }

    @Test func `an unknown host, 68`() async throws {
        let result = try await runEcho(["ping"] + fast + ["udp:no-such-host.invalid:7"])
        #expect(result.exit == .code(68), "\(result)")
    }

    @Test func `UDP, TCP and a closed port side by side: no time to connect is a dash`()
        async throws
    {
        let server = try await RunningServer(
            .select,
            ["--listen", "127.0.0.1:0", "--listen", "udp:[::1]:0"]
        )
        let line = try await server.process.line { $0.hasPrefix("listening on udp:") }
        let datagrams = String(line.dropFirst("listening on ".count))
        let closed = "udp:\(try DatagramClient(at: .ipv4(0x7F00_0621, port: 0)).address)"
        let endpoints = [datagrams, "\(server.address)", closed]
        let result = try await runEcho(["ping"] + fast + endpoints)
        #expect(result.exit == .code(1), "\(result)")
        let rows = endpoints.map { endpoint in
            result.output.outputLines.first { $0.hasPrefix(endpoint + " ") }?
                .split(separator: " ").map(String.init) ?? []
        }
        // The endpoint, sent, received, lost, wrong, the loss, %, the time to connect and to look
        // up.
        #expect(rows[0].dropFirst(3) == ["0", "0", "0", "%", "-", "-"], "\(result.output)")
        #expect(rows[1].dropFirst(3).prefix(4) == ["0", "0", "0", "%"])
        #expect(rows[1].last == "-" && rows[1].dropLast().last != "-", "\(result.output)")
        #expect(rows[2].dropFirst(2).first == "0" && rows[2].contains("100"))
        #expect(result.output.contains("\(closed): Connection refused\n"))
    }

    @Test(arguments: [
        (["--size", "65508", "udp:127.0.0.1:7"], "--size 65508 does not fit a datagram for udp:"),
        (["--size", "64KiB", "127.0.0.1:7", "udp:127.0.0.1:7"], "--size 64KiB does not fit"),
        (["udp:127.0.0.1:0"], "no server listens on port 0"),
        (["udp:*:7"], "stands for all addresses"),
    ])
    func `what UDP does not take is named, 64`(
        _ arguments: [String],
        _ reason: String
    ) async throws {
        let result = try await runEcho(["ping"] + arguments)
        #expect(result.exit == .code(64))
        #expect(result.output == "" && result.errors.outputLines.count == 1, "\(result)")
        #expect(result.errors.contains(reason), "\(result.errors)")
    }

    // The only row of the summary, by its titles; no field has a comma in it.
    private func row(_ text: String) throws -> [String: String] {
        let lines = text.split(separator: "\r\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        try #require(lines.count == 2 && lines[0].count == lines[1].count, "\(text)")
        return Dictionary(uniqueKeysWithValues: zip(lines[0], lines[1]))
    }
}
