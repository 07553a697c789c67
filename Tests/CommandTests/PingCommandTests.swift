import EchoServer
import EchoSockets
import EchoTestSupport
import Foundation
import Glibc
import Testing

/// `echo ping`, with the real server of every model and with wrong ones.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct PingCommandTests {
    private static let patient = ["--timeout", "20s"]

    @Test(arguments: EchoServer.IOModel.allCases)
    func `every model answers every probe`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model)
        for flags in [[], ["--new-connection"]] {
            let pinged = try await ping(
                flags + ["-c", "5", "--interval", "20ms", "\(server.address)"]
            )
            #expect(pinged.exit == .code(0), "\(pinged)")
            let report = try #require(pinged.summary?.endpoints.first)
            #expect(report.received == report.sent && report.sent + report.missed == 5)
            #expect(report.connections == (flags.isEmpty ? 1 : report.sent))
            #expect(report.address == "\(server.address)")
            #expect(report.roundTrip?.samples == report.received)
        }
        try await server.expectExit()
    }

    @Test func `IPv6 and Unix sockets, side by side`() async throws {
        let name = "unix:@echo-ping-\(UInt64.random(in: 0 ... .max))"
        let server = try await RunningServer(.select, ["--listen", "[::1]:0", "--listen", name])
        _ = try await server.process.line { $0 == "listening on \(name)" }
        let endpoints = ["\(server.address)", name, "localhost:\(server.address.port ?? 0)"]
        let flags = ["-c", "3", "--interval", "20ms"] + Self.patient
        let result = try await runEcho(["ping"] + flags + endpoints)
        #expect(result.exit == .code(0), "\(result)")
        for endpoint in endpoints {
            let rows = result.output.split(separator: "\n").filter { $0.hasPrefix(endpoint + " ") }
            #expect(rows.count == 2, "\(result.output)")
        }
    }

    /// Stops a server for a while, and gives the probes that were sent around it.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server that stalls shows in the tail and in no other probe's schedule`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model)
        let process = try start(["--jsonl", "--interval", "20ms", "\(server.address)"])
        _ = try await process.line { (Probe($0)?.seq ?? 0) >= 5 }
        server.process.send(signal: SIGSTOP)
        // Longer than this machine holds up the probes as well.
        try await letPass(.seconds(1))
        server.process.send(signal: SIGCONT)
        let last = process.lines(of: .standardOutput).compactMap(Probe.init).map(\.seq).max() ?? 0
        _ = try await process.line { (Probe($0)?.seq ?? 0) >= last + 20 }
        process.send(signal: SIGINT)
        let result = try await process.result()
        #expect(result.exit == .code(0), "\(result.errors)")
        let probes = process.lines(of: .standardOutput).compactMap(Probe.init)
            .filter { $0.result == "received" }
        let stalled = try #require(probes.max { $0.roundTripNs ?? 0 < $1.roundTripNs ?? 0 })
        let time = try #require(stalled.roundTripNs)
        #expect(time >= 500_000_000, "\(time)")
        // Those sent while it had no answer, each at its own moment.
        let sent = try #require(stalled.sentNs)
        let others = probes.filter { ($0.sentNs ?? 0) > sent && ($0.sentNs ?? 0) < sent + time }
        try #require(others.count >= 5, "\(others)")
        let delays = others.map { ($0.sentNs ?? 0) - $0.dueNs }.sorted()
        #expect(delays[delays.count / 2] < 20_000_000, "\(delays)")
        #expect(others.allSatisfy { $0.dueNs == $0.seq * 20_000_000 })
    }

    @Test func `five hundred endpoints take one thread each for the loop and the output`()
        async throws
    {
        let server = try await RunningServer(.completionPort, ["--listen", "0.0.0.0:0"])
        let port = try #require(server.address.port)
        let endpoints = (0..<500).map { "127.0.\($0 / 250).\($0 % 250 + 1):\(port)" }
        let process = try start(["--json", "-c", "4", "--interval", "500ms"] + endpoints)
        let figures = ProcessFigures(pid: process.pid)
        var most = (memory: 0, descriptors: 0, threads: 0)
        let ended = await eventually(within: .seconds(60)) {
            most.memory = max(most.memory, figures.peakResidentBytes)
            most.descriptors = max(most.descriptors, figures.openDescriptorCount)
            most.threads = max(most.threads, figures.threadCount)
            return !process.isRunning
        }
        #expect(ended)
        let result = try await process.result()
        #expect(result.exit == .code(0), "\(result.errors)")
        let summary = try #require(Summary(String(decoding: result.output, as: UTF8.self)))
        #expect(summary.endpoints.map(\.endpoint) == endpoints)
        #expect(summary.endpoints.allSatisfy { $0.received == $0.sent && $0.received >= 1 })
        #expect(summary.endpoints.allSatisfy { $0.connections == 1 })
        #expect((500...520).contains(most.descriptors), "\(most)")
        #expect(most.threads <= 4, "\(most)")
        #expect(isSanitized || most.memory < 200 << 20, "\(most)")
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `a signal ends it with the summary`(_ signal: CInt) async throws {
        let server = try await RunningServer(.select)
        let process = try start(["--interval", "20ms", "\(server.address)"])
        // The third probe, or a later one where this machine was too late for it.
        _ = try await process.line { $0.contains(/seq (?:[2-9]|\d\d+)  64 bytes  \d/) }
        process.send(signal: SIGQUIT)
        _ = try await process.line { $0.hasPrefix("round trip: min ") }
        process.send(signal: signal)
        let result = try await process.result()
        #expect(result.exit == .code(0), "\(result)")
        let lines = process.lines(of: .standardOutput)
        #expect(lines.first == "pinging \(server.address) with 64 bytes every 20ms")
        // The one that SIGQUIT asked for, and the last.
        #expect(lines.filter { $0 == "\(server.address)" }.count == 2)
        #expect(lines.filter { $0.contains(/\d sent, \d+ received, \d/) }.count == 2)
        #expect(lines.last?.hasPrefix("probes left late by this machine's timer: ") == true)
    }

    @Test func `everything lost, 1, with the address and the port`() async throws {
        let server = try ThreadedEchoServer(.swallows)
        let flags = ["-c", "2", "--interval", "10ms", "--timeout", "1s"]
        let result = try await runEcho(["ping"] + flags + ["\(server.address)"])
        #expect(result.exit == .code(1))
        #expect(result.output.contains(": no echo within 1s\n"))
        #expect(result.output.contains("\n\(server.address)\n"), "\(result.output)")
        #expect(result.output.contains(" 0 received, "), "\(result.output)")
        #expect(result.output.contains(" lost (100 %), 0 wrong\n"), "\(result.output)")
        #expect(result.output.contains("last failure: no echo within 1s\n"))
    }

    @Test func `wrong bytes, 1`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 100))
        // The second of a connection: it takes two that this machine is in time for.
        let pinged = try await ping(["-c", "50", "--interval", "20ms", "\(server.address)"])
        #expect(pinged.exit == .code(1))
        let report = try #require(pinged.summary?.endpoints.first)
        #expect(report.wrong >= 1 && report.received >= 1, "\(pinged)")
        #expect(pinged.output.contains("\"evidence\":\"offset 100: expected byte "))
    }

    @Test func `nobody there, 69, with the summary`() async throws {
        let address = try Listener(.loopback(port: 0)).address
        for endpoint in ["\(address)", "unix:/no/such/socket"] {
            let result = try await runEcho(["ping", "-c", "2", "--interval", "10ms", endpoint])
            #expect(result.exit == .code(69), "\(result)")
            #expect(result.output.contains(" 0 received, "))
            #expect(result.errors.hasPrefix("echo: cannot connect to \(endpoint): "))
            #expect(result.errors.outputLines.count == 1)
        }
    }

    @Test func `one of two is there, 1`() async throws {
        let server = try await RunningServer(.select)
        let address = try Listener(.loopback(port: 0)).address
        let flags = ["-q", "-c", "2", "--interval", "10ms", "\(server.address)", "\(address)"]
        let result = try await runEcho(["ping"] + Self.patient + flags)
        #expect(result.exit == .code(1), "\(result)")
        #expect(result.errors == "")
        #expect(!result.output.contains(" seq "))
        #expect(result.output.contains("\(address): Connection refused\n"))
    }

    @Test func `a threshold that is reached, 1`() async throws {
        let server = try await RunningServer(.select)
        for (flag, limit, code) in [
            ("--warn", "1us", 1), ("--critical", "1us,50%", 1), ("--warn", "100s,1%", 0),
        ] as [(String, String, CInt)] {
            let flags = ["-c", "2", "--interval", "10ms", flag, limit] + Self.patient
            let result = try await runEcho(["ping"] + flags + ["\(server.address)"])
            #expect(result.exit == .code(code), "\(flag) \(limit)")
        }
    }

    @Test func `a plugin says how it is in one line, 0 to 3`() async throws {
        let server = try await RunningServer(.select)
        let good = "\(server.address)"
        let bad = "\(try Listener(.loopback(port: 0)).address)"
        for (arguments, code, word) in [
            (["--warn", "100s,20%", "--critical", "200s", good], 0, "OK"),
            (["--warn", "1us", good], 1, "WARNING"),
            (["--warn", "1us", "--critical", "2us", good], 2, "CRITICAL"),
            ([good, bad], 2, "CRITICAL"), (["no-such-host.invalid:7"], 3, "UNKNOWN"),
        ] as [([String], CInt, String)] {
            let flags = ["--nagios", "--interval", "10ms", "-c", "3"] + Self.patient
            let result = try await runEcho(["ping"] + flags + arguments)
            #expect(result.exit == .code(code), "\(result)")
            #expect(result.errors == "" && result.output.outputLines.count == 1)
            #expect(result.output.hasPrefix("ECHO \(word) - "), "\(result.output)")
            #expect(result.output.contains(" | "), "\(result.output)")
        }
    }

    @Test func `CSV has a row for each endpoint`() async throws {
        let server = try await RunningServer(.select)
        let name = "unix:@echo,\"ping\""
        let flags = ["--csv", "-c", "2", "--interval", "10ms", "\(server.address)", name]
        let result = try await runEcho(["ping"] + flags)
        #expect(result.exit == .code(1), "\(result)")
        let lines = result.output.components(separatedBy: "\r\n")
        #expect(lines.count == 4 && lines.last == "")
        let titles = lines[0].components(separatedBy: ",")
        #expect(titles.prefix(4) == ["endpoint", "address", "sent", "received"])
        #expect(lines[1].components(separatedBy: ",").count == titles.count)
        #expect(lines[1].hasPrefix("\(server.address),\(server.address),"))
        #expect(lines[2].hasPrefix("\"unix:@echo,\"\"ping\"\"\",,"))
    }

    @Test func `an output that is closed ends it, 71`() async throws {
        let server = try await RunningServer(.select)
        let program = try BuiltProduct.path(named: "echo")
        let script = "{ \"$0\" ping --interval 10ms \"$1\"; echo $? >&2; } | head -n 2"
        let process = try RunningProcess("/bin/bash", ["-c", script, program, "\(server.address)"])
        let result = try await process.result()
        let errors = result.errors.outputLines
        #expect(errors.last == "71", "\(result)")
        #expect(errors.first?.hasPrefix("echo: cannot write the output: ") == true)
    }

    @Test(arguments: [
        [], ["127.0.0.1:x"], ["--interval", "10us", "1"], ["--interval", "25h", "1"],
        ["--count", "0", "1"], ["--size", "0", "1"], ["--size", "65KiB", "1"],
        ["--timeout", "0s", "1"], ["--json", "--csv", "1"], ["--warn", "10", "1"],
        ["--warn", "5%,6%", "1"], ["--critical", "101%", "1"], ["--warn", "", "1"],
    ])
    func `wrong usage, 64`(_ arguments: [String]) async throws {
        let result = try await runEcho(["ping"] + arguments)
        #expect(result.exit == .code(64))
        #expect(result.output == "")
        #expect(result.errors.outputLines.count == 1, "\(result.errors)")
    }

    private func start(_ arguments: [String]) throws -> RunningProcess {
        try RunningProcess(BuiltProduct.path(named: "echo"), ["ping"] + Self.patient + arguments)
    }

    private func ping(
        _ arguments: [String]
    ) async throws -> (exit: RunningProcess.Exit, output: String, summary: Summary?) {
        let result = try await runEcho(["ping", "--jsonl"] + Self.patient + arguments)
        return (result.exit, result.output, result.output.outputLines.last.flatMap(Summary.init))
    }
}

private let decoder: JSONDecoder = {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
}()

/// A line of `--jsonl`.
private struct Probe: Decodable {
    let seq: Int
    let dueNs: Int
    let lateNs: Int
    let sentNs: Int?
    let result: String
    let roundTripNs: Int?

    init?(_ line: some StringProtocol) {
        guard let probe = try? decoder.decode(Probe.self, from: Data(line.utf8)) else { return nil }
        self = probe
    }
}

/// The object of `--json`, and the last line of `--jsonl`.
private struct Summary: Decodable {
    struct Times: Decodable {
        let samples: Int
        let minNs: Int
        let p99Ns: Int?
        let maxNs: Int
    }

    struct Report: Decodable {
        let endpoint: String
        let address: String?
        let sent: Int
        let received: Int
        let lost: Int
        let wrong: Int
        let missed: Int
        let connections: Int
        let roundTrip: Times?
    }

    let schema: Int
    let lateness: Times?
    let endpoints: [Report]

    init?(_ text: some StringProtocol) {
        guard let summary = try? decoder.decode(Summary.self, from: Data(text.utf8)) else {
            return nil
        }
        self = summary
    }
}
