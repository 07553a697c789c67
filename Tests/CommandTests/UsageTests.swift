import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Exit codes, and the one line that goes with each.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct UsageTests {
    struct BadFlag: Sendable, CustomTestStringConvertible {
        let flag: String
        let value: String
        var testDescription: String { "\(flag) \(value)" }
    }

    static let badFlags: [BadFlag] = [
        (
            "--listen",
            ["", "70000", "-1", "host:", ":", "::1:5150", "[::1]", "a b:1", "unix:", "x:y"]
        ),
        ("--model", ["", "iocp", "Select"]),
        ("--backend", ["", "epoll"]),
        ("--workers", ["0", "-1", "x", "1025", "1.5", "٣"]),
        ("--max-connections", ["0", "x", "99999999999999999999"]),
        ("--when-full", ["", "drop"]),
        ("--max-per-peer", ["0", "x"]),
        ("--idle-timeout", ["0", "0s", "5", "-1s", "s", "1d", "1e3s", "1.s.2s"]),
        ("--shutdown-delay", ["5", "-1s", "x"]),
        ("--drain-timeout", ["5", "-1s", "x"]),
        ("--pending-limit", ["0", "63", "2GiB", "1KB", "x"]),
        ("--backlog", ["0", "x"]),
        ("--keepalive", ["0", "999ms", "10h", "5", "x"]),
        ("--receive-buffer", ["0", "4095", "2GiB", "x"]),
        ("--socket-mode", ["", "8", "1000", "-1", "0o660", "u=rw"]),
        ("--socket-group", ["", "no-such-group", "4294967295"]),
        ("--splice", ["", "always"]),
        ("--loop-guard", ["", "yes"]),
        ("--datagram-rate", ["0", "x", "1000001"]),
        ("--busy-poll", ["x", "1", "-1us", "1001ms"]),
        ("--log-level", ["", "loud"]),
        ("--log-format", ["", "xml"]),
        ("--metrics", ["", "x:y", "70000"]),
    ].flatMap { flag, values in
        // Starting a program takes a sanitizer seconds: one value for each flag is enough for it.
        (isSanitized ? values.suffix(1) : values[...]).map { BadFlag(flag: flag, value: $0) }
    }

    @Test(arguments: badFlags)
    func `a bad value is named with its flag, 64`(_ bad: BadFlag) async throws {
        let result = try await runEcho([bad.flag + "=" + bad.value])
        #expect(result.exit == .code(64))
        #expect(result.output == "")
        #expect(result.errors.outputLines.count == 1, "\(result.errors)")
        #expect(result.errors.hasPrefix("echo: "))
        #expect(result.errors.contains(bad.flag), "\(result.errors)")
        #expect(result.errors.contains(bad.value), "\(result.errors)")
    }

    @Test(arguments: [
        ["--bogus"], ["-x"], ["serve", "--bogus"], ["bogus"], ["--model"], ["models", "extra"],
        ["client"], ["--listen", "1", "extra"],
    ])
    func `an unknown or incomplete flag is refused, 64`(_ arguments: [String]) async throws {
        let result = try await runEcho(arguments)
        #expect(result.exit == .code(64))
        #expect(result.output == "")
        #expect(result.errors.outputLines.count == 1, "\(result.errors)")
    }

    @Test func `a model of another backend is refused, 64`() async throws {
        for model in EchoServer.IOModel.allCases {
            for backend in EchoServer.Backend.allCases where backend != model.backend {
                let flags = ["--model", model.rawValue, "--backend", backend.rawValue]
                let result = try await runEcho(flags)
                #expect(result.exit == .code(64))
                #expect(
                    result.errors == """
                        echo: --model \(model.rawValue) belongs to --backend \
                        \(model.backend.rawValue), not to \(backend.rawValue)

                        """
                )
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `an address in use is named, 69`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model)
        let result = try await runEcho(
            ["--model", model.rawValue, "--listen", "\(server.address)"]
        )
        #expect(result.exit == .code(69))
        #expect(result.output == "")
        #expect(
            result.errors == "echo: cannot listen on \(server.address): Address already in use\n"
        )
        try await server.expectEcho()
    }

    @Test func `an address that is not there, and an unknown host, 69`() async throws {
        for endpoint in ["192.0.2.1:0", "no-such-host.invalid:0", "unix:/no/such/folder/socket"] {
            let result = try await runEcho(["--model", "select", "--listen", endpoint])
            #expect(result.exit == .code(69))
            #expect(result.errors.hasPrefix("echo: cannot listen on \(endpoint): "))
            #expect(result.errors.outputLines.count == 1)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can become another user"))
    func `a forbidden path and a forbidden port are named, 77`() async throws {
        let folder = "/tmp/echo-forbidden-\(UInt64.random(in: 0 ... .max))"
        try systemCall("mkdir") { unsafe mkdir(folder, 0o700) }
        defer { unsafe rmdir(folder) }
        let asNobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        // The program itself must be in reach of that user.
        let copy = "/tmp/echo-copy-\(UInt64.random(in: 0 ... .max))"
        let program = try BuiltProduct.path(named: "echo")
        let copying = try RunningProcess("/bin/cp", [program, copy])
        #expect(try await copying.exit() == .code(0))
        defer { unsafe unlink(copy) }
        let path = "\(folder)/socket"
        let arguments = ["--model", "select", "--listen", "unix:\(path)"]
        let process = try RunningProcess(
            asNobody[0],
            Array(asNobody.dropFirst()) + [copy] + arguments
        )
        let result = try await process.result()
        #expect(result.exit == .code(77), "\(result.errors)")
        #expect(result.errors == "echo: cannot listen on unix:\(path): Permission denied\n")
    }

    @Test func `models prints a row for each model`() async throws {
        let result = try await runEcho(["models"])
        #expect(result.exit == .code(0))
        // A second line has the mechanism, for which 80 columns are too few.
        let lines = result.output.outputLines.filter { !$0.hasPrefix(" ") }
        #expect(lines.count == 8)
        for (line, model) in zip(lines.dropFirst(), EchoServer.IOModel.allCases) {
            #expect(line.hasPrefix(model.rawValue + " "))
            #expect(line.contains(" \(model.backend.rawValue) "))
        }
    }

    @Test func `help names every subcommand and every exit code`() async throws {
        for flag in ["--help", "-h", "help"] {
            let result = try await runEcho([flag])
            #expect(result.exit == .code(0))
            #expect(result.errors == "")
            for word in ["serve", "client", "models", "SIGTERM", "unix:@"] {
                #expect(result.output.contains(word), "\(flag): \(word)")
            }
            for code in [0, 1, 64, 68, 69, 70, 71, 74, 75, 76, 77] {
                let found = try result.output.contains(Regex(#"\b\#(code)\s+[a-z]"#))
                #expect(found, "\(flag): \(code)")
            }
        }
        let serve = try await runEcho(["serve", "--help"])
        for bad in Self.badFlags { #expect(serve.output.contains(bad.flag)) }
    }
}
