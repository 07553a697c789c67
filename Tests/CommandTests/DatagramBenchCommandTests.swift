import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// `echo bench` over UDP, with real servers.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct DatagramBenchCommandTests {
    private static func round(of time: String) -> [String] {
        ["--rounds", "1", "--time", time, "--warm-up", "10ms"]
    }

    /// Measures a short round of each server; where the machine holds somebody up all that time, no
    /// echo comes: then again, for longer.
    private func rows(_ arguments: [String]) async throws -> [[String: String]] {
        var measured = try await measure(arguments + Self.round(of: "100ms"))
        for time in ["500ms", "2s", "5s"] where measured.rows.contains(where: Self.hasNoEcho) {
            measured = try await measure(arguments + Self.round(of: time))
        }
        #expect(measured.exit == .code(0), "\(measured)")
        return measured.rows
    }

    private static func hasNoEcho(_ row: [String: String]) -> Bool {
        row["echoes"] == "0" || row["failure"]?.hasPrefix("no echo came back: all ") == true
    }

    private func measure(
        _ arguments: [String]
    ) async throws -> (exit: RunningProcess.Exit, rows: [[String: String]]) {
        let process = try RunningProcess(
            BuiltProduct.path(named: "echo"),
            ["bench", "--csv"] + arguments
        )
        let result = try await process.result(within: .seconds(120))
        let lines = String(decoding: result.output, as: UTF8.self).split(separator: "\r\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        }
        let titles = try #require(lines.first, "\(result.errors)")
        let rows = lines.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(titles, $0)) }
        return (result.exit, rows)
    }

    @Test func `all models are measured`() async throws {
        let rows = try await rows(["--udp", "--model", "all", "--connections", "5"])
        #expect(
            rows.map { $0["subject"] } == EchoServer.IOModel.allCases.map { "udp:\($0.rawValue)" }
        )
        for row in rows {
            #expect(Int(row["echoes"] ?? "") ?? 0 > 0 && row["wrong_bytes"] == "0", "\(row)")
            #expect(Int(row["lost_datagrams"] ?? "") != nil && row["failed_connections"] == "0")
        }
    }

    @Test func `running servers and commands are measured beside each other`() async throws {
        let server = try await RunningServer(
            .asyncSelect,
            ["--listen", "127.0.0.1:0", "--listen", "udp:127.0.0.1:0", "--no-loop-guard"]
        )
        let line = try await server.process.line { $0.hasPrefix("listening on udp:") }
        let endpoint = String(line.dropFirst("listening on ".count))
        let program = try BuiltProduct.path(named: "echo")
        let command = "\(program) --model select --listen udp:127.0.0.1:PORT --no-loop-guard"
        let flags = ["--target", endpoint, "--target", "\(server.address)", "--command", command]
        let rows = try await rows(["--udp", "--connections", "2"] + flags)
        #expect(rows.map { $0["subject"] } == [endpoint, "\(server.address)", command])
        #expect(rows.allSatisfy { Int($0["echoes"] ?? "") ?? 0 > 0 }, "\(rows)")
        // A connection has no lost datagrams, not even none.
        #expect(rows.map { $0["lost_datagrams"] == "" } == [false, true, false])
    }

    @Test func `a target that loses most is told of the loop guard`() async throws {
        let server = try await RunningServer(
            .select,
            ["--listen", "udp:127.0.0.1:0", "--datagram-rate", "50"]
        )
        let flags = ["--target", "udp:\(server.address)", "--connections", "64", "--rounds", "1"]
        let result = try await runEcho(["bench", "--time", "1s"] + flags)
        #expect(result.exit == .code(0), "\(result)")
        #expect(result.output.contains(" lost\n"), "\(result.output)")
        let words = result.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.contains("datagrams did not come back within 250ms"), "\(words)")
        #expect(words.contains("unless they run with --no-loop-guard."), "\(words)")
        let json = try await runEcho(
            ["bench", "--json", "--time", "1s", "--fail-if", "lost>0"] + flags
        )
        #expect(json.exit == .code(1) && json.errors.contains("lost>0: udp:"), "\(json.errors)")
        #expect(json.output.contains("\"lostDatagrams\" : "), "\(json.output)")
    }

    @Test func `nobody there is told, 1`() async throws {
        let address = try DatagramClient(at: .ipv4(0x7F00_0629, port: 0)).address
        let flags = ["--target", "udp:\(address)", "--connections", "1"]
        let result = try await runEcho(["bench"] + flags + Self.round(of: "100ms"))
        #expect(result.exit == .code(1), "\(result)")
        let words = result.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.contains("cannot connect to udp:\(address): Connection refused"), "\(words)")
    }

    @Test(arguments: [
        (["--udp", "--churn"], "--churn needs connections: UDP has none"),
        (["--target", "udp:127.0.0.1:7", "--idle", "1"], "--idle needs connections: UDP has none"),
        (["--udp", "--size", "64,64KiB"], "--size 64KiB does not fit a datagram: UDP takes 65507"),
        (["--udp", "--size", "1", "--in-flight", "257"], "--in-flight 257 is more than the 256"),
        (["--target", "udp:127.0.0.1:0"], "no server listens on port 0"),
    ])
    func `what UDP has no place for is refused, 64`(
        _ arguments: [String],
        _ reason: String
    ) async throws {
        let result = try await runEcho(["bench"] + arguments)
        #expect(result.exit == .code(64))
        #expect(result.output == "" && result.errors.outputLines.count == 1, "\(result)")
        #expect(result.errors.contains(reason), "\(result.errors)")
    }
}
