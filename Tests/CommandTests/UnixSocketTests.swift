import EchoServer
import Glibc
import Sockets
import TestSupport
import Testing

/// The file of a Unix socket.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct UnixSocketTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `the file is there while it serves, and gone after`(
        _ model: EchoServer.IOModel
    ) async throws {
        let folder = try TemporaryFolder()
        let server = try await RunningServer(model, ["--listen", "unix:" + folder.path("socket")])
        #expect(folder.contains("socket"))
        try await server.expectEcho()
        try await server.expectExit()
        #expect(!folder.contains("socket"))
    }

    @Test func `a stale file is replaced`() async throws {
        let folder = try TemporaryFolder()
        let endpoint = "unix:" + folder.path("socket")
        let killed = try await RunningServer(.select, ["--listen", endpoint])
        killed.process.send(signal: SIGKILL)
        #expect(try await killed.process.exit() == .signal(SIGKILL))
        #expect(folder.contains("socket"))
        let server = try await RunningServer(.select, ["--listen", endpoint])
        try await server.expectEcho()
    }

    @Test func `a live socket is left alone, 69`() async throws {
        let folder = try TemporaryFolder()
        let endpoint = "unix:" + folder.path("socket")
        let server = try await RunningServer(.select, ["--listen", endpoint])
        let result = try await runEcho(["--model", "select", "--listen", endpoint])
        #expect(result.exit == .code(69))
        #expect(result.errors == "echo: cannot listen on \(endpoint): Address already in use\n")
        try await server.expectEcho()
        #expect(folder.contains("socket"))
    }

    @Test func `a file that is no socket is named as such and left alone, 69`() async throws {
        let folder = try TemporaryFolder()
        _ = try folder.file("notes", holding: [1, 2, 3])
        let endpoint = "unix:" + folder.path("notes")
        for flag in ["--listen", "--metrics"] {
            let result = try await runEcho(["--listen", "127.0.0.1:0", flag, endpoint])
            #expect(result.exit == .code(69))
            let reason = "there is a file, not a socket"
            #expect(
                result.errors.outputLines.last == "echo: cannot listen on \(endpoint): \(reason)"
            )
        }
        for subcommand in ["client", "check"] {
            let result = try await runEcho([subcommand, endpoint])
            #expect(result.exit == .code(69))
            let reason = "there is a file, not a socket"
            #expect(result.errors == "echo: cannot connect to \(endpoint): \(reason)\n")
        }
        #expect(readFile(folder.path("notes")) == [1, 2, 3])
    }

    @Test func `an abstract name needs no file`() async throws {
        let name = "@echo-command-\(UInt64.random(in: 0 ... .max))"
        let server = try await RunningServer(.select, ["--listen", "unix:" + name])
        #expect(server.process.lines(of: .standardOutput) == ["listening on unix:" + name])
        try await server.expectEcho()
    }
}
