import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
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

    @Test(arguments: ["660", "0600", "777", "0"])
    func `the file has the permissions and the group that are given, and never more`(
        _ mode: String
    ) async throws {
        let folder = try TemporaryFolder()
        let (path, metrics) = (folder.path("socket"), folder.path("metrics"))
        // Long enough to be seen with what it has before.
        let rules = ["bind", "chmod", "lchown", "listen"].map {
            InjectedFaults.Rule($0, lateBy: 100)
        }
        let faults = try await InjectedFaults(rules, fromStart: true)
        let allowed = try #require(mode_t(mode, radix: 8))
        let seen = Task {
            var seen: Set<mode_t> = []
            while !Task.isCancelled {
                for status in [path, metrics].compactMap(status) { seen.insert(status.mode) }
                await Task.yield()
            }
            return seen
        }
        let server = try await RunningServer(
            [
                "--listen", "unix:\(path)", "--metrics", "unix:\(metrics)", "--socket-mode", mode,
                "--socket-group", "adm",
            ],
            through: ["/bin/sh", "-c", "umask 0; exec \"$@\"", "sh"] + faults.wrapper
        )
        seen.cancel()
        for mode in await seen.value { #expect(mode & ~allowed == 0, "\(String(mode, radix: 8))") }
        for path in [path, metrics] {
            #expect(status(path)?.mode == allowed)
            #expect(status(path)?.group == 4)
        }
        try await server.expectExit()
    }

    private func status(_ path: String) -> (mode: mode_t, group: gid_t)? {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        return (status.st_mode & 0o7777, status.st_gid)
    }

    @Test func `permissions and groups that cannot be had are named`() async throws {
        let folder = try TemporaryFolder()
        let endpoint = "unix:" + folder.path("socket")
        let nobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        _ = unsafe chmod(folder.path("."), 0o777)
        let cases: [([String], [String], CInt, String)] = [
            (["--socket-group", "no-such-group"], [], 64, "there is no such group"),
            (["--socket-mode", "888"], [], 64, "it must be an octal number from 0 to 777"),
            (
                ["--socket-group", "adm"], nobody, 77,
                "cannot listen on \(endpoint): cannot give it to the group adm: "
                    + "Operation not permitted"
            ),
        ]
        for (flags, wrapper, code, message) in cases {
            let result = try await runEcho(["--listen", endpoint] + flags, through: wrapper)
            #expect(result.exit == .code(code), "\(result)")
            #expect(result.errors.contains(message), "\(result.errors)")
            #expect(!folder.contains("socket"))
        }
    }

    @Test func `an abstract name needs no file`() async throws {
        let name = "@echo-command-\(UInt64.random(in: 0 ... .max))"
        let server = try await RunningServer(.select, ["--listen", "unix:" + name])
        #expect(server.process.lines(of: .standardOutput) == ["listening on unix:" + name])
        try await server.expectEcho()
    }
}
