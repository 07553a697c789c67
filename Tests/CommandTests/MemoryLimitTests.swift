import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// A server whose address space is limited.
///
/// What Swift cannot allocate ends the process, so it must never come to that.
@Suite(
    .timeLimit(.minutes(5)),
    .disabled(if: isSanitized, "a sanitizer sets aside terabytes of address space")
)
struct MemoryLimitTests {
    /// Bytes of address space that a server of this model takes without connections, if it minds
    /// them because there is a limit.
    private static func size(_ model: EchoServer.IOModel) async throws -> Int {
        let server = try await RunningServer(
            model,
            through: ["/usr/bin/prlimit", "--as=\(4 << 30)"]
        )
        try await server.expectEcho()
        let status = readFile("/proc/\(server.process.pid)/status")
        let line = String(decoding: status, as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("VmSize:") }
        let field = try #require(line?.split(whereSeparator: \.isWhitespace)[1])
        try await server.expectExit()
        return try #require(Int(field)) * 1024
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `clients without number, some of which never read, do not end it`(
        _ model: EchoServer.IOModel
    ) async throws {
        let limit = try await Self.size(model) + 18 << 20
        let server = try await RunningServer(model, through: ["/usr/bin/prlimit", "--as=\(limit)"])
        let client = try await TestClient(to: server.address)
        defer { client.close() }
        #expect(try await client.exchange([1, 2]) == [1, 2])
        let hostile = try EchoLoad(connections: 20, bytes: 1 << 40, behaviour: .neverReads)
            .start(against: server.address)
        #expect(await hostile.reaches { $0.bytesSent > 20 << 16 })
        var load = EchoLoad(connections: 200, bytes: 200)
        load.staysOpen = true
        let held = try load.start(against: server.address)
        let line = try await server.process.line(from: .standardError) {
            $0.contains("cannot accept connections for now")
        }
        #expect(line.contains("Cannot allocate memory"))
        #expect(await hostile.stalls())
        #expect(await held.reaches { $0.held > 0 })
        #expect(held.progress.firstMismatch == nil)
        #expect(try await client.exchange([3, 4]) == [3, 4])
        hostile.stop()
        held.stop()
        try await server.expectEcho()
        client.close()
        try await server.expectExit()
    }

    @Test func `with too little memory to start it says so, 71`() async throws {
        let limit = try await Self.size(.select)
        let server = try await RunningServer(
            .select,
            through: ["/usr/bin/prlimit", "--as=\(limit + 20 << 20)"]
        )
        try await server.expectExit()
        let result = try await runEcho(
            ["--model", "select", "--listen", "127.0.0.1:0"],
            through: ["/usr/bin/prlimit", "--as=\(limit)"]
        )
        #expect(result.exit == .code(71))
        #expect(
            result.errors == "echo: cannot start the model select: mmap: Cannot allocate memory\n"
        )
    }
}
