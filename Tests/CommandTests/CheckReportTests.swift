import EchoClient
import EchoServer
import EchoSockets
import EchoTestSupport
import Foundation
import Glibc
import Testing

@testable import echo

/// What `echo check` reports to programs, and how it treats servers of others.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct CheckReportTests {
    private struct Report: Decodable {
        struct Check: Decodable {
            let name: String
            let result: String
            let kind: String?
            let evidence: String
        }

        struct Failure: Decodable {
            let kind: String
            let message: String
            let exitCode: Int
        }

        let endpoint: String
        let address: String?
        let size: Int
        let connections: Int
        let pauseSeconds: Double
        let error: Failure?
        let passed: Int
        let failed: Int
        let late: Int
        let checks: [Check]

        init(_ text: String) throws {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            self = try decoder.decode(Report.self, from: Data(text.utf8))
        }
    }

    @Test func `without a connection JSON says why`() async throws {
        let address = try Listener(.loopback(port: 0)).address
        let endpoints = [
            ("\(address)", "refused", 69), ("no-such-host.invalid:7", "unknown-host", 68),
            ("unix:/no/such/socket", "refused", 69),
        ]
        for (endpoint, kind, code) in endpoints {
            let result = try await runCheck(["--json", endpoint])
            #expect(result.exit == .code(CInt(code)))
            let report = try Report(result.output)
            let error = try #require(report.error)
            #expect(report.endpoint == endpoint && report.address == nil)
            #expect(report.checks.isEmpty && report.passed == 0 && report.failed == 0)
            #expect(error.kind == kind && error.exitCode == code)
            #expect(result.errors == "echo: \(error.message)\n")
        }
    }

    @Test func `a failure on this side leaves what is known`() async throws {
        let server = try ThreadedEchoServer()
        let result = try await runCheck(
            [
                "--json", "--only", "one-byte", "--only", "interleaved", "--deadline", "60s",
                "\(server.address)",
            ],
            through: ["/usr/bin/prlimit", "--nofile=40"]
        )
        #expect(result.exit == .code(71), "\(result)")
        let report = try Report(result.output)
        #expect(report.error?.kind == "local")
        #expect(report.checks.map(\.name) == ["one-byte"])
        #expect(report.address == "\(server.address)")
    }

    @Test func `a server that is late is not called wrong`() async throws {
        let server = try ThreadedEchoServer(.fallsSilentAfter(bytes: 100))
        let flags = ["--only", "one-byte", "--only", "all-bytes", "--deadline", "5s"]
        async let json = runCheck(["--json"] + flags + ["\(server.address)"])
        let table = try await runCheck(flags + ["\(server.address)"])
        #expect(table.exit == .code(1))
        let row = try #require(table.output.outputLines.first { $0.hasPrefix("FAILED") })
        let evidence =
            "late: on the connection, 100 of 256 bytes came back within 5 s, "
            + "all of them right; 256 had been sent"
        #expect(row.hasSuffix("  \(evidence)"), "\(row)")
        let foot = "1 passed, 1 failed (1 late: everything that came was right)"
        #expect(table.output.outputLines.last.map(String.init) == foot)
        let report = try Report(try await json.output)
        #expect(report.failed == 1 && report.late == 1)
        #expect(report.checks.map(\.kind) == [nil, "late"])
        #expect(report.checks.last?.evidence == evidence)
    }

    @Test func `the last line tells one kind of failure from another`() async throws {
        // Ends each connection after 1000 bytes, and changes the 200th.
        let server = try ThreadedEchoServer { connection in
            var count = 0
            while connection.wait(), count < 1000 {
                var (outcome, bytes) = connection.socket.receiveBytes(atMost: 1000 - count)
                if outcome == .endOfStream { return }
                if bytes.count > 200, count == 0 { bytes[200] ^= 1 }
                guard connection.sendAll(bytes) else { return }
                count += bytes.count
            }
            connection.socket.shutdown(.both)
        }
        let flags = ["--only", "one-byte", "--only", "all-bytes", "--only", "sizes"]
        let result = try await runCheck(flags + ["--deadline", "60s", "\(server.address)"])
        let foot = "1 passed, 2 failed (1 ended early, 1 wrong)"
        #expect(result.output.outputLines.last.map(String.init) == foot, "\(result.output)")
    }

    /// What a JUnit document has: `suite NAME TESTS FAILURES ERRORS SKIPPED` and
    /// `NAME ELEMENT TYPE MESSAGE` for each case, as Python's parser reads it.
    private func junit(_ path: String) async throws -> [String] {
        let script = """
            import sys, xml.etree.ElementTree as tree
            root = tree.parse(sys.argv[1]).getroot()
            assert root.tag == "testsuites"
            (suite,) = root
            counts = [suite.get(n) for n in ("tests", "failures", "errors", "skipped")]
            assert counts == [root.get(n) for n in ("tests", "failures", "errors", "skipped")]
            float(suite.get("time"))
            print("suite", suite.get("name"), *counts)
            for case in suite.iter("testcase"):
                assert case.get("classname") and float(case.get("time")) >= 0
                (child,) = case
                print(case.get("name"), child.tag, child.get("type"), child.get("message"))
            """
        let process = try RunningProcess("/usr/bin/env", ["python3", "-c", script, path])
        let result = try await process.result()
        #expect(result.exit == .code(0), "\(result.errors)")
        return String(decoding: result.output, as: UTF8.self).outputLines.map(String.init)
    }

    @Test func `JUnit's XML has a case for each check, whatever the names contain`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("report.xml")
        let name = "@echo-<\(UInt64.random(in: 0 ... .max))>&\"'\u{1B}"
        let server = try ThreadedEchoServer(
            on: .unix("\0" + name.dropFirst()),
            .corrupts(at: 200)
        )
        let only = ["--only", "one-byte", "--only", "all-bytes"]
        let result = try await runCheck(["--junit", path] + only + ["unix:\(name)"])
        withExtendedLifetime(server) {}
        #expect(result.exit == .code(1), "\(result)")
        #expect(result.output.outputLines.last == "1 passed, 1 failed (1 wrong)")
        let shown = name.replacing("\u{1B}", with: "\\u{1B}")
        #expect(
            try await junit(path) == [
                "suite echo check unix:\(shown) 2 1 0 0", "one-byte system-out None None",
                "all-bytes failure wrong the connection received byte 201 instead of 200 "
                    + "at offset 200",
            ]
        )
    }

    @Test func `JUnit's XML says why there was no connection`() async throws {
        let folder = try TemporaryFolder()
        let address = try Listener(.loopback(port: 0)).address
        let path = folder.path("report.xml")
        let result = try await runCheck(["--junit", path, "\(address)"])
        #expect(result.exit == .code(69))
        #expect(
            try await junit(path) == [
                "suite echo check \(address) 1 0 1 0",
                "connect error refused cannot connect to \(address): Connection refused",
            ]
        )
    }

    @Test func `JUnit's XML skips a check that does not apply`() async throws {
        var record = CheckRecord(EchoCheck(.unix("/x")))
        record.results = [
            EchoCheck.Result(
                check: .urgent,
                outcome: .notApplicable,
                evidence: "no <urgent> data",
                duration: .zero
            )
        ]
        let folder = try TemporaryFolder()
        let text = record.junit(as: "name")
        _ = try folder.file("report.xml", holding: Array(text.utf8))
        #expect(
            try await junit(folder.path("report.xml")) == [
                "suite name unix:/x 1 0 0 1", "urgent skipped None no <urgent> data",
            ]
        )
    }

    @Test func `a file that cannot be written is named before any check, 71`() async throws {
        let server = try ThreadedEchoServer()
        let path = "/no/such/folder/report.xml"
        let result = try await runCheck(["--junit", path, "\(server.address)"])
        #expect(result.exit == .code(71))
        #expect(result.output == "")
        #expect(result.errors == "echo: cannot write \(path): No such file or directory\n")
        let full = try await runCheck(
            ["--only", "empty", "--junit", "/dev/full", "\(server.address)"]
        )
        #expect(full.exit == .code(71))
        #expect(full.errors == "echo: cannot write /dev/full: No space left on device\n")
    }

    /// Counts what a server has to do.
    private final class Burden: Sendable {
        private struct Counts {
            var open = 0
            var mostOpen = 0
            var total = 0
            var bytes = 0
        }

        private let counts = Locked(Counts())

        var mostOpen: Int { counts.withLock { $0.mostOpen } }
        var total: Int { counts.withLock { $0.total } }
        var bytes: Int { counts.withLock { $0.bytes } }

        func serve(_ connection: ServedConnection) {
            counts.withLock { counts in
                counts.total += 1
                counts.open += 1
                counts.mostOpen = max(counts.mostOpen, counts.open)
            }
            defer { counts.withLock { $0.open -= 1 } }
            while connection.wait() {
                let (outcome, bytes) = connection.socket.receiveBytes()
                if case .wouldBlock = outcome { continue }
                counts.withLock { $0.bytes += bytes.count }
                guard case .bytes = outcome, connection.sendAll(bytes) else { return }
            }
        }
    }

    @Test func `a gentle run opens few connections and transfers little`() async throws {
        let burden = Burden()
        let server = try ThreadedEchoServer { burden.serve($0) }
        let flags = ["--json", "--gentle", "--pause", "0s", "--deadline", "60s"]
        let result = try await runCheck(flags + ["\(server.address)"])
        #expect(result.exit == .code(0), "\(result)")
        let report = try Report(result.output)
        let checks = EchoCheck.streamChecks.filter {
            ![.resets, .urgent, .churn].contains($0)
        }
        #expect(report.checks.map(\.name) == checks.map(\.rawValue))
        #expect(report.size == 65_536 && report.connections == 4)
        // A server may see an end later than the client's next connection.
        #expect(burden.mostOpen <= 5)
        #expect(burden.total <= 15)
        #expect(burden.bytes < 1_000_000)
    }

    @Test func `what is given explicitly overrides a gentle run`() async throws {
        let server = try ThreadedEchoServer()
        let plain = ["--json", "--gentle", "--only", "empty", "\(server.address)"]
        #expect(try Report(try await runCheck(plain).output).pauseSeconds == 1)
        let result = try await runCheck([
            "--json", "--gentle", "--only", "urgent", "--only", "churn", "--size", "128KiB",
            "--connections", "8", "--pause", "10ms", "--deadline", "60s", "\(server.address)",
        ])
        let report = try Report(result.output)
        #expect(report.checks.map(\.name) == ["urgent", "churn"])
        #expect(report.size == 131_072 && report.connections == 8)
        #expect(report.pauseSeconds == 0.01)
    }
}
