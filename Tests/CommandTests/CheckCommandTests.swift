import EchoClient
import EchoServer
import EchoSockets
import EchoTestSupport
import Foundation
import Glibc
import Testing

/// `echo check`, with the real server of every model.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct CheckCommandTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `every model passes every check`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model)
        let result = try await runCheck(Self.scale + ["\(server.address)"])
        #expect(result.exit == .code(0), "\(result)")
        #expect(result.errors == "")
        let lines = result.output.outputLines
        #expect(lines.first?.hasPrefix("checking \(server.address), run ") == true)
        #expect(lines.last == "11 passed, 0 failed")
        for (line, check) in zip(lines.dropFirst(), EchoCheck.streamChecks) {
            #expect(line.hasPrefix("passed  \(check.rawValue) "), "\(result.output)")
        }
        #expect(result.output.contains("and the urgent byte in its place"), "\(result.output)")
        try await server.expectExit()
    }

    @Test(arguments: [EchoServer.IOModel.threadPerClient, .eventSelect, .overlappedRoutine])
    func `it checks over IPv6 and Unix sockets`(_ model: EchoServer.IOModel) async throws {
        let name = "unix:@echo-check-\(UInt64.random(in: 0 ... .max))"
        let server = try await RunningServer(model, ["--listen", "[::1]:0", "--listen", name])
        _ = try await server.process.line { $0 == "listening on \(name)" }
        let flags = ["--size", "1MiB", "--connections", "40", "--deadline", "60s"]
        let ipv6 = try await runCheck(flags + ["\(server.address)"])
        #expect(ipv6.exit == .code(0), "\(ipv6)")
        #expect(ipv6.output.outputLines.last == "11 passed, 0 failed")
        let unix = try await runCheck(flags + [name])
        #expect(unix.exit == .code(0), "\(unix)")
        #expect(unix.output.outputLines.last.map(String.init) == Self.allPassed)
    }

    @Test func `a name stands for the first of its addresses that answers`() async throws {
        let server = try await RunningServer(.select, ["--listen", "[::1]:0"])
        let port = try #require(server.address.port)
        let result = try await runCheck(["--only", "one-byte", "localhost:\(port)"])
        #expect(result.exit == .code(0), "\(result)")
        let head = "checking localhost:\(port) at [::1]:\(port), run "
        #expect(result.output.hasPrefix(head), "\(result.output)")
    }

    @Test func `a check that fails is told with its evidence, 1`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 1000))
        let flags = ["--only", "sizes", "--only", "one-byte", "--deadline", "60s"]
        let result = try await runCheck(flags + ["\(server.address)"])
        #expect(result.exit == .code(1))
        #expect(result.errors == "")
        let lines = result.output.outputLines
        #expect(lines.count == 4, "\(result.output)")
        #expect(lines[1].hasPrefix("passed  one-byte "))
        #expect(lines[2].hasPrefix("FAILED  sizes "))
        #expect(lines[2].contains("  the connection received byte "), "\(lines[2])")
        #expect(lines[2].hasSuffix(" at offset 1000"), "\(lines[2])")
        #expect(lines[3] == "1 passed, 1 failed (1 wrong)")
    }

    private struct Report: Decodable {
        struct Check: Decodable {
            let name: String
            let meaning: String
            let result: String
            let evidence: String
            let seconds: Double
        }

        let endpoint: String
        let address: String
        let run: Int
        let size: Int
        let connections: Int
        let deadlineSeconds: Double
        let passed: Int
        let failed: Int
        let notApplicable: Int
        let checks: [Check]
    }

    @Test func `JSON has the same`() async throws {
        let name = "@echo-check-\(UInt64.random(in: 0 ... .max))\"\\"
        let server = try ThreadedEchoServer(
            on: .unix("\0" + name.dropFirst()),
            .closesAfter(bytes: 1000)
        )
        let flags = ["--json", "--skip", "half-close", "--size", "64KiB", "--connections", "4"]
        let result = try await runCheck(flags + ["--deadline", "60s", "\(server.endpoint)"])
        #expect(result.exit == .code(1), "\(result)")
        #expect(result.errors == "")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let report = try decoder.decode(Report.self, from: Data(result.output.utf8))
        #expect(report.endpoint == "unix:" + name)
        #expect(report.address == report.endpoint)
        #expect((0..<512).contains(report.run))
        #expect(report.size == 65_536)
        #expect(report.connections == 4)
        #expect(report.deadlineSeconds == 60)
        let checks = EchoCheck.streamChecks.filter { $0 != .halfClose }
        #expect(report.checks.map(\.name) == checks.map(\.rawValue))
        #expect(report.checks.map(\.meaning) == checks.map(\.meaning))
        #expect(report.checks.allSatisfy { !$0.evidence.isEmpty && $0.seconds >= 0 })
        let failed = report.checks.filter { $0.result == "failed" }.map(\.name)
        #expect(failed.contains("sizes") && !failed.contains("all-bytes"), "\(failed)")
        #expect(report.failed == failed.count)
        #expect(report.checks.filter { $0.result == "passed" }.count == report.passed)
        let skipped = report.checks.filter { $0.result == "not-applicable" }.map(\.name)
        #expect(skipped == (EchoCheck.kernelHasUnixUrgentData ? [] : ["urgent"]))
        #expect(report.notApplicable == skipped.count)
    }

    @Test func `the list needs no server`() async throws {
        let result = try await runCheck(["--list"])
        #expect(result.exit == .code(0))
        let entries = result.output.replacing(/\n +/, with: " ").outputLines
        #expect(entries.count == EchoCheck.Check.allCases.count)
        for (entry, check) in zip(entries, EchoCheck.Check.allCases) {
            #expect(entry.hasPrefix(check.rawValue + " "))
            #expect(entry.hasSuffix("  " + check.meaning))
        }
    }

    @Test func `nobody there, 69, and no such host, 68`() async throws {
        let address = try Listener(.loopback(port: 0)).address
        for (endpoint, code) in [
            ("\(address)", 69), ("no-such-host.invalid:7", 68), ("unix:/no/such/socket", 69),
        ] {
            let result = try await runCheck([endpoint])
            #expect(result.exit == .code(CInt(code)))
            #expect(result.output == "")
            #expect(result.errors.outputLines.count == 1)
            #expect(result.errors.hasPrefix("echo: cannot connect to \(endpoint): "))
        }
    }

    @Test func `no descriptors left, 71`() async throws {
        let server = try await RunningServer(.select)
        let result = try await runCheck(
            ["--only", "interleaved", "--deadline", "60s", "\(server.address)"],
            through: ["/usr/bin/prlimit", "--nofile=40"]
        )
        #expect(result.exit == .code(71), "\(result)")
        #expect(
            result.errors == "echo: cannot check \(server.address): socket: Too many open files\n"
        )
    }

    @Test func `a short queue of a Unix socket is waited for`() async throws {
        let name = "unix:@echo-check-\(UInt64.random(in: 0 ... .max))"
        let server = try await RunningServer(.select, ["--listen", name, "--backlog", "1"])
        let only = ["--only", "interleaved", "--only", "churn", "--deadline", "60s"]
        let result = try await runCheck(only + ["\(server.address)"])
        #expect(result.exit == .code(0), "\(result)")
    }

    @Test(.enabled(if: geteuid() == 0, "only root can become another user"))
    func `a socket that others may not use, 77`() async throws {
        let server = try await RunningServer(.select, ["--listen", "unix:" + temporaryName()])
        guard case .unix(let path) = server.address else { return }
        try systemCall("chmod") { unsafe chmod(path, 0o600) }
        // The program itself must be in reach of that user.
        let copy = temporaryName()
        let program = try BuiltProduct.path(named: "echo")
        #expect(try await RunningProcess("/bin/cp", [program, copy]).exit() == .code(0))
        defer { unsafe unlink(copy) }
        let process = try RunningProcess(
            "/usr/bin/setpriv",
            ["--reuid=65534", "--regid=65534", "--clear-groups", copy, "check", "unix:\(path)"]
        )
        let result = try await process.result()
        #expect(result.exit == .code(77))
        #expect(result.errors == "echo: cannot connect to unix:\(path): Permission denied\n")
    }

    private func temporaryName() -> String {
        "/tmp/echo-check-\(UInt64.random(in: 0 ... .max))"
    }

    @Test(arguments: [
        [], ["127.0.0.1:x"], ["1", "2"], ["--bogus", "1"], ["--only", "speed", "1"],
        ["--skip", "", "1"], ["--only", "urgent", "--skip", "urgent", "1"],
        ["--deadline", "0s", "1"], ["--deadline", "5", "1"], ["--connect-timeout", "x", "1"],
        ["--size", "1KiB", "1"], ["--size", "2GiB", "1"], ["--connections", "1", "1"],
        ["--connections", "1001", "1"], ["--pause", "-1s", "1"], ["--pause", "1", "1"],
        ["--junit", "", "1"],
    ])
    func `wrong usage, 64`(_ arguments: [String]) async throws {
        let result = try await runCheck(arguments)
        #expect(result.exit == .code(64))
        #expect(result.output == "")
        #expect(result.errors.outputLines.count == 1, "\(result.errors)")
    }

    private static let allPassed =
        EchoCheck.kernelHasUnixUrgentData
        ? "11 passed, 0 failed" : "10 passed, 0 failed, 1 not applicable"

    /// The whole suite, or what a sanitizer leaves time for.
    static let scale =
        ["--deadline", "60s"] + (isSanitized ? ["--size", "1MiB", "--connections", "40"] : [])
}

/// Runs `echo check` to its end.
func runCheck(
    _ arguments: [String],
    through wrapper: [String] = []
) async throws -> (exit: RunningProcess.Exit, output: String, errors: String) {
    let command = wrapper + [try BuiltProduct.path(named: "echo"), "check"] + arguments
    let process = try RunningProcess(command[0], Array(command.dropFirst()))
    let result = try await process.result(within: .seconds(150))
    return (result.exit, String(decoding: result.output, as: UTF8.self), result.errors)
}
