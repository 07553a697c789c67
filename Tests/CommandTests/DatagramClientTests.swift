import EchoClient
import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `echo client udp:…` and `echo check udp:…`, as they are built.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct DatagramClientTests {
    private func client(
        _ address: SocketAddress,
        _ flags: [String] = [],
        saying text: String
    ) async throws -> (exit: RunningProcess.Exit, output: String, errors: String) {
        let process = try RunningProcess(
            try BuiltProduct.path(named: "echo"),
            ["client"] + flags + ["udp:\(address)"],
            input: .pipe
        )
        try await process.write(text)
        process.closeInput()
        let result = try await process.result()
        return (result.exit, String(decoding: result.output, as: UTF8.self), result.errors)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `every model passes every check`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model, ["--listen", "udp:127.0.0.1:0"])
        let result = try await runCheck(["--deadline", "60s", "udp:\(server.address)"])
        #expect(result.exit == .code(0), "\(result)")
        #expect(result.errors == "")
        let lines = result.output.outputLines
        #expect(lines.first?.hasPrefix("checking udp:\(server.address), run ") == true)
        #expect(lines.last == "9 passed, 0 failed", "\(result.output)")
        for (line, check) in zip(lines.dropFirst(), EchoCheck.datagramChecks) {
            #expect(line.hasPrefix("passed  \(check.rawValue) "), "\(result.output)")
        }
        try await server.expectExit()
    }

    @Test func `it checks over IPv6, gently and in JSON`() async throws {
        let server = try await RunningServer(.select, ["--listen", "udp:[::1]:0"])
        let flags = ["--gentle", "--pause", "0s", "--json", "--deadline", "60s"]
        let result = try await runCheck(flags + ["udp:\(server.address)"])
        #expect(result.exit == .code(0), "\(result)")
        let name = #"{"endpoint":"udp:\#(server.address)","address":"\#(server.address)","#
        #expect(result.output.hasPrefix(name), "\(result.output)")
        #expect(result.output.contains(#""passed":8,"failed":0,"#), "\(result.output)")
        #expect(result.output.contains(#"{"name":"udp-empty","meaning":"#))
    }

    @Test func `a check that fails is told, 1, and nobody there, 69`() async throws {
        let server = try FaultyDatagramServer(.truncates(512))
        let only = ["--only", "udp-sizes", "--only", "udp-byte"]
        let result = try await runCheck(only + ["udp:\(server.address)"])
        #expect(result.exit == .code(1))
        #expect(result.output.outputLines.last == "1 passed, 1 failed (1 wrong)")
        let closed = try DatagramClient().address
        let refused = try await runCheck(["udp:\(closed)"])
        #expect(refused.exit == .code(69))
        let reason = "cannot connect to udp:\(closed): Connection refused"
        #expect(refused.errors == "echo: \(reason)\n")
    }

    @Test func `an endpoint chooses what is listed`() async throws {
        let result = try await runCheck(["--list", "udp:127.0.0.1:7"])
        let names = result.output.outputLines.filter { !$0.hasPrefix(" ") }
            .compactMap { $0.split(separator: " ").first.map(String.init) }
        #expect(names == EchoCheck.datagramChecks.map(\.rawValue))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `lines come out as they went in`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model, ["--listen", "udp:127.0.0.1:0"])
        let lines = (1...500).map { "line \($0)\n" }.joined()
        let text = "first\n\n\u{0}\n" + lines + String(repeating: "x", count: 65_506) + "\nlast"
        let result = try await client(server.address, ["--verify"], saying: text)
        #expect(result.exit == .code(0), "\(result.errors)")
        #expect(result.output == text)
        #expect(result.errors == "")
    }

    @Test func `a line too long for a datagram is refused, and nothing else is lost, 64`()
        async throws
    {
        let server = try FaultyDatagramServer()
        let long = String(repeating: "x", count: 65_507)
        let text = "a\n\(long)\nb\n\(long)\(long)\(long)\nc\n\(long)y"
        let result = try await client(server.address, saying: text)
        #expect(result.exit == .code(64))
        #expect(result.output == "a\nb\nc\n")
        let name = "echo: udp:\(server.address): "
        let rest = "bytes, but a datagram has 65507 at most: it was not sent"
        #expect(
            result.errors == [(2, 65508), (4, 196_522), (6, 65508)].map { number, count in
                "\(name)line \(number) has \(count) \(rest)\n"
            }.joined() + "\(name)3 of 6 lines were not sent\n"
        )
        #expect(server.count == 3)
    }

    @Test func `what does not come back is reported with its line, 75`() async throws {
        let server = try FaultyDatagramServer(.tires(1))
        let flags = ["--timeout", "3s"]
        let result = try await client(server.address, flags, saying: "one\ntwo\n\u{1B}three")
        #expect(result.exit == .code(75))
        #expect(result.output == "one\n")
        let name = "echo: udp:\(server.address): "
        #expect(
            result.errors == name + "line 2 'two' did not come back within 3 s\n" + name
                + "line 3 '\\x1Bthree' did not come back within 3 s\n" + name
                + "2 of 3 lines did not come back\n"
        )
    }

    @Test func `what comes late is written, and told`() async throws {
        let server = try FaultyDatagramServer(.lags)
        let flags = ["--timeout", "3s"]
        let result = try await client(server.address, flags, saying: "one\ntwo\n")
        #expect(result.exit == .code(75))
        #expect(result.output == "one\n")
        #expect(result.errors.contains("line 1 'one' did not come back within 3 s"))
        #expect(result.errors.contains("line 1 'one' came back late"), "\(result.errors)")
    }

    @Test func `what comes back twice is written once, and told`() async throws {
        let server = try FaultyDatagramServer(.answersTwice)
        let result = try await client(server.address, saying: "one\ntwo\nthree\n")
        #expect(result.exit == .code(0), "\(result.errors)")
        #expect(result.output == "one\ntwo\nthree\n")
        #expect(result.errors.contains("line 1 'one' came back again"), "\(result.errors)")
    }

    @Test func `an answer from another address is reported, 1`() async throws {
        let server = try FaultyDatagramServer(.answersFromElsewhere)
        let result = try await client(server.address, saying: "one\n")
        #expect(result.exit == .code(1))
        let lines = result.errors.outputLines
        let place = /line 1 'one' came back from 127\.0\.0\.2:\d+ instead of 127\.0\.0\.1:\d+$/
        #expect(lines.first?.firstMatch(of: place) != nil, "\(result.errors)")
        #expect(lines.last?.hasSuffix(": 1 of 1 line came back from another address") == true)
    }

    @Test func `nobody there is told of each line, 69`() async throws {
        let closed = try DatagramClient().address
        let result = try await client(closed, saying: "one\ntwo\n")
        #expect(result.exit == .code(69))
        let name = "echo: udp:\(closed): "
        #expect(
            result.errors == name + "line 1 'one': Connection refused\n" + name
                + "line 2 'two': Connection refused\n" + name + "2 of 2 lines did not come back\n"
        )
    }

    @Test func `a server that comes back is found again`() async throws {
        let address = try DatagramClient().address
        let process = try RunningProcess(
            try BuiltProduct.path(named: "echo"),
            ["client", "--timeout", "30s", "udp:\(address)"],
            input: .pipe
        )
        try await process.write("one\n")
        _ = try await process.line(from: .standardError) { $0.hasSuffix("Connection refused") }
        let server = try FaultyDatagramServer(at: address)
        try await process.write("two\n")
        _ = try await process.line { $0 == "two" }
        withExtendedLifetime(server) {}
        process.closeInput()
        #expect(try await process.exit() == .code(69))
    }

    @Test func `a name stands for the first of its addresses that does not refuse`() async throws {
        let server = try FaultyDatagramServer(at: .loopback6(port: 0))
        let place = "udp:localhost:\(server.address.port ?? 0)"
        let script = "echo hello | \(try BuiltProduct.path(named: "echo")) client \(place)"
        let result = try await RunningProcess("/bin/sh", ["-c", script]).result()
        withExtendedLifetime(server) {}
        #expect(result.exit == .code(0), "\(result.errors)")
        #expect(result.output == Array("hello\n".utf8))
    }

    @Test func `other bytes are written, and reported if they are compared, 1`() async throws {
        let server = try FaultyDatagramServer(.shouts)
        let plain = try await client(server.address, saying: "one\n")
        #expect(plain.exit == .code(0) && plain.output == "ONE\n")
        let result = try await client(server.address, ["--verify"], saying: "one\n")
        #expect(result.exit == .code(1))
        #expect(result.output == "ONE\n")
        let what = "differs at offset 0: expected 0x6F 'o', received 0x4F 'O'"
        #expect(result.errors.contains("the answer to line 1 'one' \(what)"), "\(result.errors)")
    }

    @Test func `at a terminal each line comes back, the empty one as well`() async throws {
        let server = try FaultyDatagramServer()
        let process = try RunningProcess(
            try BuiltProduct.path(named: "echo"),
            ["client", "udp:\(server.address)"],
            input: .terminal
        )
        _ = await eventually { process.bytes(of: .standardOutput).count > 0 }
        try await process.write("hello\n")
        _ = try await process.line { $0.contains("Received [5 bytes]: 'hello'") }
        try await process.write("\n")
        _ = try await process.line { $0.contains("Received [0 bytes]: ''") }
        try await process.write("\u{4}")
        #expect(try await process.exit() == .code(0))
        #expect(server.count == 2)
    }
}
