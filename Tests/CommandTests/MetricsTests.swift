import EchoServer
import EchoSockets
import EchoTestSupport
import Foundation
import Glibc
import Testing

@testable import echo

/// `--metrics`, asked as a monitor asks.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct MetricsTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `promtool accepts the page, and its numbers are those of the load`(
        _ model: EchoServer.IOModel
    ) async throws {
        let (server, metrics) = try await Self.start(model)
        try await server.expectEcho()
        let page = Locked("")
        let settled = await eventually {
            guard let answer = try? await HTTPExchange("/metrics", with: metrics) else {
                return false
            }
            page.withLock { $0 = answer.body }
            return answer.status == 200
                && answer.fields["content-type"] == PrometheusText.contentType
                && Self.value("echo_connections_active", in: answer.body) == "0"
        }
        let text = page.withLock { $0 }
        #expect(settled, "\(text)")
        let expected = [
            "echo_connections_accepted_total": "3",
            "echo_connections_closed_total{cause=\"peer-closed\"}": "3",
            "echo_connections_rejected_total{reason=\"full\"}": "0",
            "echo_bytes_received_total": "150000", "echo_bytes_sent_total": "150000",
            "echo_accept_failures_total": "0",
            "echo_build_info{version=\"\(EchoServer.version)\",model=\"\(model.rawValue)\"}": "1",
        ]
        for (name, value) in expected { #expect(Self.value(name, in: text) == value, "\(name)") }
        Self.expectFigures(of: server, in: text)
        try await Self.expectPromtoolAccepts(text)
        try await server.expectExit()
    }

    @Test func `promtool complains about a page that is wrong`() async throws {
        await #expect(throws: Complaint.self) {
            try await Self.expectPromtoolAccepts("# TYPE x counter\nx{ 1\n")
        }
    }

    @Test func `every metric is on the page, described`() throws {
        let page = PrometheusText.page(try EchoServer(), ProcessStatus(), ShownCounters())
        for metric in EchoServer.Metric.allCases {
            #expect(page.contains("# HELP \(metric.rawValue) \(metric.summary)\n"))
            let type = metric.isGauge ? "gauge" : "counter"
            #expect(page.contains("# TYPE \(metric.rawValue) \(type)\n"))
        }
    }

    /// Prometheus takes a counter that goes down for a restart.
    @Test func `a count that is taken back is not shown to go down`() {
        let shown = ShownCounters()
        #expect([5, 6, 5, 6, 8].map { shown.next($0, of: "accepted") } == [5, 6, 6, 6, 8])
        #expect(shown.next(1, of: "rejected") == 1)
    }

    @Test func `it is ready while it accepts, and not while it drains`() async throws {
        let (server, metrics) = try await Self.start(.completionPort, ["--drain-timeout", "10m"])
        await expectStatus(200, of: "/healthz", from: metrics)
        await expectStatus(200, of: "/readyz", from: metrics)
        #expect(try await HTTPExchange("/", with: metrics).status == 404)
        let client = try await server.owedClient()
        server.process.send(signal: SIGTERM)
        await expectStatus(503, of: "/readyz", from: metrics)
        await expectStatus(200, of: "/healthz", from: metrics)
        client.close()
        #expect(try await server.process.exit() == .code(0))
    }

    @Test func `an address in use is named, 69`() async throws {
        let taken = try Listener(.loopback(port: 0))
        let result = try await runEcho(["--listen", "127.0.0.1:0", "--metrics", "\(taken.address)"])
        #expect(result.exit == .code(69))
        #expect(result.output == "")
        #expect(
            result.errors == "echo: cannot listen on \(taken.address): Address already in use\n"
        )
    }

    @Test func `an unknown host is named, 69`() async throws {
        let result = try await runEcho(
            ["--listen", "127.0.0.1:0", "--metrics", "no-such-host.invalid:1"]
        )
        #expect(result.exit == .code(69))
        #expect(result.errors.hasPrefix("echo: cannot listen on no-such-host.invalid:1: "))
        #expect(result.errors.outputLines.count == 1)
    }

    @Test func `PF-3: without descriptors it uses no CPU, and answers when there are some`()
        async throws
    {
        let limit = ["/usr/bin/prlimit", "--nofile=64"]
        let (server, metrics) = try await Self.start(.completionPort, through: limit)
        var load = EchoLoad(connections: 100, bytes: 100)
        load.staysOpen = true
        let running = try load.start(against: server.address)
        _ = try await server.process.line(from: .standardError) { $0.contains("cannot accept") }
        let waiting = try await TestClient(to: metrics)
        defer { waiting.close() }
        try await waiting.send(Array("GET /healthz HTTP/1.1\r\n\r\n".utf8))
        try await letPass(.milliseconds(300))
        let before = server.figures.cpuTime
        try await letPass(.seconds(2))
        let used = server.figures.cpuTime - before
        #expect(used < .milliseconds(200), "\(used)")
        running.stop()
        let answer = String(decoding: try await waiting.receiveToEnd().bytes, as: UTF8.self)
        if !answer.hasPrefix("HTTP/1.1 200 OK\r\n") {
            // The machine may hold up a loop for too long: then again.
            #expect(answer.hasPrefix("HTTP/1.1 503 "), "\(answer)")
            #expect(answer.hasSuffix("\r\n\r\na serving loop does not respond\n"), "\(answer)")
            await expectStatus(200, of: "/healthz", from: metrics)
        }
        try await server.expectExit()
    }

    // A server, and where its metrics are.
    private static func start(
        _ model: EchoServer.IOModel,
        _ arguments: [String] = [],
        through wrapper: [String] = []
    ) async throws -> (RunningServer, SocketAddress) {
        let flags = ["--metrics", "127.0.0.1:0"] + arguments
        let server = try await RunningServer(model, flags, through: wrapper)
        let line = try await server.process.line(from: .standardError) {
            $0.contains("serving metrics endpoint=")
        }
        let text = try #require(line.split(separator: "endpoint=").last)
        let address = try #require(try Endpoint(parsing: String(text)).resolve().first)
        return (server, address)
    }

    private static func value(_ name: String, in page: String) -> String? {
        page.outputLines.first { $0.hasPrefix(name + " ") }.map {
            String($0.dropFirst(name.count + 1))
        }
    }

    // What the page says of the process is what the kernel says.
    private static func expectFigures(of server: RunningServer, in page: String) {
        let figures = server.figures
        let number = { (name: String) in value(name, in: page).flatMap { Double($0) } ?? -1 }
        // The connection that asked has gone.
        let open = Int(number("process_open_fds"))
        #expect((0...3).contains(open - figures.openDescriptorCount), "\(open)")
        let resident = number("process_resident_memory_bytes") / Double(figures.residentBytes)
        #expect((0.5...2).contains(resident), "\(resident)")
        #expect(number("process_virtual_memory_bytes") > Double(figures.residentBytes))
        let age = Date().timeIntervalSince1970 - number("process_start_time_seconds")
        #expect((0...300).contains(age), "\(age)")
    }

    private struct Complaint: Error {
        let text: String
    }

    private static func expectPromtoolAccepts(_ page: String) async throws {
        let promtool = try #require(
            promtool,
            "promtool is missing: run Scripts/install-packages ci"
        )
        let process = try RunningProcess(promtool, ["check", "metrics"], input: .pipe)
        try await process.write(page)
        process.closeInput()
        let result = try await process.result()
        let output = String(decoding: result.output, as: UTF8.self) + result.errors
        guard result.exit == .code(0), output.isEmpty else { throw Complaint(text: output) }
    }

    // Where Scripts/install-packages puts it, wherever the tests were built; or the machine's own.
    private static let promtool: String? = {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path()
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let folders = ["\(root).build/tools"] + path.split(separator: ":").map(String.init)
        return folders.map { "\($0)/promtool" }.first { unsafe access($0, X_OK) == 0 }
    }()
}
