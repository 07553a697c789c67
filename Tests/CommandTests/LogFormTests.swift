import EchoServer
import Glibc
import Sockets
import TestSupport
import Testing

/// How log lines look, to people, to the journal and to collectors.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct LogFormTests {
    /// Tells the program that its standard error is the journal, as the service manager does.
    private static let journal =
        "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$0\" \"$@\""

    private func start(
        _ script: String,
        _ arguments: [String] = []
    ) async throws -> RunningServer {
        try await RunningServer(arguments, through: ["/bin/sh", "-c", script])
    }

    @Test func `for the journal each line has its priority, and no time`() async throws {
        let server = try await start(Self.journal, ["--model", "select", "--log-level", "debug"])
        try await server.expectEcho()
        server.process.send(signal: SIGTERM)
        let lines = try await server.process.result().errors.outputLines
        let listening = "listening endpoint=\(server.address) model=select"
        #expect(lines.first == "<6>\(listening) version=\(EchoServer.version)")
        #expect(lines.count { $0.hasPrefix("<7>connection closed bytes-received=50000 ") } == 3)
        #expect(lines.allSatisfy { $0.hasPrefix("<6>") || $0.hasPrefix("<7>") }, "\(lines)")
    }

    @Test func `for the journal, JSON has the priority before it`() async throws {
        let server = try await start(Self.journal, ["--log-format", "json"])
        server.process.send(signal: SIGTERM)
        let lines = try await server.process.result().errors.outputLines
        #expect(lines.count == 3)
        for line in lines {
            #expect(line.hasPrefix("<6>{"))
            #expect(JSONObject(String(line.dropFirst(3)))?["level"] == "info", "\(line)")
        }
    }

    @Test func `the last line of a program that fails has the priority of an error`() async throws {
        let wrapper = ["/bin/sh", "-c", Self.journal]
        let (exit, _, errors) = try await runEcho(["--model", "none"], through: wrapper)
        #expect(exit == .code(64))
        #expect(errors.hasPrefix("<3>echo: "), "\(errors)")
    }

    @Test(arguments: ["1:2", "nonsense", ""])
    func `where standard error is not the journal, lines have time and level`(
        _ stream: String
    ) async throws {
        let server = try await start("JOURNAL_STREAM=\(stream) exec \"$0\" \"$@\"")
        let line = try await server.process.line(from: .standardError)
        let form = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info: listening endpoint=.* model=.*/
        #expect(line.wholeMatch(of: form) != nil, "\(line)")
        try await server.expectExit()
    }

    @Test(arguments: ["text", "json"])
    func `what a peer has chosen is never written as it is`(_ format: String) async throws {
        let folder = try TemporaryFolder()
        let listen = ["--listen", "unix:\(folder.path("server"))"]
        let server = try await RunningServer(
            listen + ["--log-level", "debug", "--log-format", format, "--model", "select"]
        )
        // A line of its own, the colour red, and letters from right to left.
        let name = "a\n<0>b\u{1B}[31m\u{202E}c\u{2028}d cause=\"e\"\u{7F}\u{85}"
        let client = try await TestClient(to: server.address, from: .unix(folder.path(name)))
        #expect(try await client.exchange([1, 2]) == [1, 2])
        client.close()
        let line = try await server.process.line(from: .standardError) { $0.contains("closed") }
        #expect(line.contains("<0>b"))
        #expect(!line.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
        let misleading: Set<Unicode.Scalar> = ["\u{202E}", "\u{2028}", "\u{85}"]
        #expect(!line.unicodeScalars.contains { misleading.contains($0) }, "\(line)")
        #expect(server.process.lines(of: .standardError).count == 2)
        if format == "json" { #expect(JSONObject(line)?["cause"] == "peer-closed") }
        try await server.expectExit()
    }
}
