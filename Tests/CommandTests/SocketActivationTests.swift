import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `echo`, started with sockets by `systemd-socket-activate`.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct SocketActivationTests {
    private static let activate = "/usr/bin/systemd-socket-activate"

    // It passes nothing on by itself; without its options a sanitizer looks for leaks at exit.
    private static let environment: [String] = (["ASAN_OPTIONS", "TSAN_OPTIONS"] as [String])
        .filter { unsafe getenv($0) != nil }
        .flatMap { ["-E", $0] }

    private func address() -> SocketAddress {
        .ipv4(.random(in: 0x7F54_0001...0x7F54_FFFE), port: 7)  // 127.84.x.y
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `it serves the sockets that it is started with`(
        _ model: EchoServer.IOModel
    ) async throws {
        let folder = try TemporaryFolder()
        let (address, path) = (address(), folder.path("socket"))
        let sockets = ["-l", "\(address)", "-l", path, "--fdname=net:local"]
        let echo = [try BuiltProduct.path(named: "echo"), "--model", model.rawValue]
        let process = try RunningProcess(Self.activate, Self.environment + sockets + echo)
        _ = try await process.line(from: .standardError) { $0.contains("Listening on \(path)") }
        for address in [address, .unix(path)] {
            let report = try await EchoLoad(connections: 3, bytes: 50_000).run(against: address)
            #expect(report.isComplete, "\(report)")
        }
        _ = try await process.line { $0 == "listening on unix:\(path)" }
        #expect(process.lines(of: .standardOutput).first == "listening on \(address)")
        _ = try await process.line(from: .standardError) { $0.contains(" socket=local ") }
        let log = process.lines(of: .standardError).filter { $0.contains("listening endpoint=") }
        #expect(log.map { $0.contains(" socket=net ") } == [true, false], "\(log)")
        #expect(log.map { $0.contains(" socket=local ") } == [false, true], "\(log)")
        // No program that it started would inherit one.
        let open = ProcessFigures(pid: process.pid).openDescriptors.filter { $0.key > 2 }
        #expect(open.count { $0.value.hasPrefix("socket:") } >= 2)
        for number in open.keys { #expect(isCloseOnExec(number, of: process.pid) != false) }
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
        #expect(folder.contains("socket"))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `an IPv4 client of a socket for both is an IPv4 client`(
        _ model: EchoServer.IOModel
    ) async throws {
        // The service manager's sockets of IPv6 take IPv4 as well.
        let port = UInt16.random(in: 20_000..<30_000)
        let sockets = ["-l", "[::]:\(port)"]
        let echo = [try BuiltProduct.path(named: "echo"), "--model", model.rawValue]
        let flags = ["--log-level", "debug", "--max-per-peer", "1"]
        let process = try RunningProcess(Self.activate, Self.environment + sockets + echo + flags)
        _ = try await process.line(from: .standardError) { $0.contains("Listening on ") }
        let client = try await TestClient(to: .loopback(port: port))
        defer { client.close() }
        #expect(try await client.exchange([1]) == [1])
        let peer = try #require(client.localAddress)
        let opened = try await process.line(from: .standardError) { $0.contains("opened") }
        #expect(opened.hasSuffix(" connection opened endpoint=127.0.0.1:\(port) peer=\(peer)"))
        let second = try await TestClient(to: .loopback(port: port))
        defer { second.close() }
        #expect(try await second.receiveToEnd().end == .reset)
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
    }

    @Test func `a socket that does not listen is named`() async throws {
        // As with Accept=yes: one process for each connection.
        let address = address()
        let sockets = ["-a", "-l", "\(address)", "--fdname=once"]
        let echo = try BuiltProduct.path(named: "echo")
        let process = try RunningProcess(Self.activate, Self.environment + sockets + [echo])
        _ = try await process.line(from: .standardError) { $0.contains("Listening on ") }
        let client = try await TestClient(to: address)
        defer { client.close() }
        let reason =
            "cannot serve inherited descriptor 3 (once): it is a connection, not a listening "
            + "socket; set Accept=no in its socket unit"
        _ = try await process.line(from: .standardError) { $0 == "echo: \(reason)" }
    }

    @Test(arguments: [
        ("LISTEN_PID=$$ LISTEN_FDS=1", 69, "inherited descriptor 3 (unknown): it is not a socket"),
        ("LISTEN_PID=$$ LISTEN_FDS=2", 69, "inherited descriptor 3 (unknown): it is not a socket"),
        ("LISTEN_PID=$$ LISTEN_FDS=many", 64, #"LISTEN_FDS is "many""#),
        ("LISTEN_PID=me LISTEN_FDS=1", 64, #"LISTEN_PID is "me""#),
        ("LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a:b", 64, "LISTEN_FDNAMES has 2 names"),
    ])
    func `what makes no sense is an error in one line`(
        _ variables: String,
        _ code: CInt,
        _ message: String
    ) async throws {
        let echo = try BuiltProduct.path(named: "echo")
        let script = "\(variables) exec \(echo) --listen 127.0.0.1:0 3</dev/null"
        let process = try RunningProcess("/bin/sh", ["-c", script])
        let result = try await process.result()
        #expect(result.exit == .code(code), "\(result.errors)")
        #expect(result.errors.outputLines.count == 1)
        #expect(result.errors.contains(message), "\(result.errors)")
    }

    @Test func `sockets of another process are left alone`() async throws {
        let echo = try BuiltProduct.path(named: "echo")
        let script = "LISTEN_PID=1 LISTEN_FDS=1 exec \(echo) --listen 127.0.0.1:0 3</dev/null"
        let process = try RunningProcess("/bin/sh", ["-c", script])
        _ = try await process.line { $0.hasPrefix("listening on 127.0.0.1:") }
        #expect(isCloseOnExec(3, of: process.pid) == false)
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
    }

    /// Whether a descriptor of a process will be closed by `execve`; `nil` if it is not open.
    private func isCloseOnExec(_ number: CInt, of pid: pid_t) -> Bool? {
        let text = String(decoding: readFile("/proc/\(pid)/fdinfo/\(number)"), as: UTF8.self)
        guard let line = text.outputLines.first(where: { $0.hasPrefix("flags:") }),
            let flags = CInt(line.dropFirst(6).filter { $0 != "\t" }, radix: 8)
        else { return nil }
        return flags & O_CLOEXEC != 0
    }
}
