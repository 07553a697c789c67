import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import echo

/// What `echo client` says, and with which exit code it ends, for each kind of failure.
@Suite(.timeLimit(.minutes(5)))
struct ClientFailureTests {
    /// Runs it as a filter.
    private func filter(
        _ arguments: [String],
        _ text: String = "hello"
    ) async throws -> (exit: RunningProcess.Exit, output: String, errors: String) {
        let echo = try BuiltProduct.path(named: "echo")
        let process = try RunningProcess(echo, ["client"] + arguments, input: .pipe)
        // It may have ended before.
        try? await process.write(text)
        process.closeInput()
        let result = try await process.result()
        return (result.exit, String(decoding: result.output, as: UTF8.self), result.errors)
    }

    @Test func `each kind of failure has its exit code`() {
        let codes = FailureKind.allCases.map { Exit.code(for: $0) }
        #expect(codes == [68, 69, 77, 75, 74, 76, 1, 71])
    }

    @Test func `a host without an address, 68`() async throws {
        let result = try await filter(["no-such-host.invalid:7"])
        #expect(result.exit == .code(68))
        #expect(result.errors.hasPrefix("echo: cannot connect to no-such-host.invalid:7: "))
        #expect(result.errors.outputLines.count == 1)
    }

    @Test(arguments: ["127.0.6.4:1", "unix:/no/such/socket", "unix:/etc/passwd"])
    func `no server there, 69`(_ endpoint: String) async throws {
        let result = try await filter([endpoint])
        #expect(result.exit == .code(69))
        #expect(result.errors.outputLines.count == 1)
    }

    @Test func `no connection in time, 75`() async throws {
        let name = "echo-client-\(UInt64.random(in: 0 ... .max))"
        let listener = try Listener(.unix("\0" + name), backlog: 0)
        let first = try connectedSocket(to: listener.address)
        let result = try await filter(["--connect-timeout", "100ms", "unix:@" + name])
        first.shutdown(.both)
        #expect(result.exit == .code(75))
        #expect(result.errors == "echo: cannot connect to unix:@\(name): no answer in time\n")
    }

    @Test func `a reset, 74`() async throws {
        let server = try ThreadedEchoServer(.resetsAfter(bytes: 0))
        let result = try await filter(["\(server.address)"])
        #expect(result.exit == .code(74))
        let reason = "the connection was lost: Connection reset by peer"
        #expect(result.errors == "echo: \(server.address): \(reason)\n")
    }

    @Test func `more bytes than were sent, 1`() async throws {
        let server = try ThreadedEchoServer(.doubles)
        let result = try await filter(["\(server.address)"])
        #expect(result.exit == .code(1))
        #expect(result.output == "hellohello")
        let reason = "the server sent 5 bytes more than it was sent"
        #expect(result.errors == "echo: \(server.address): \(reason)\n")
    }

    @Test func `other bytes than were sent, 1 if they are compared`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 3))
        for flags in [[], ["--no-verify"]] {
            let trusted = try await filter(flags + ["\(server.address)"])
            #expect(trusted.exit == .code(0))
            #expect(trusted.output == "helmo")
            #expect(trusted.errors == "")
        }
        let result = try await filter(["--verify", "\(server.address)"])
        #expect(result.exit == .code(1))
        #expect(result.output == "helmo")
        let reason = "the answer differs at offset 3: expected 0x6C 'l', received 0x6D 'm'"
        #expect(result.errors == "echo: \(server.address): \(reason)\n")
    }

    @Test func `at a terminal answers are compared, 1`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 3))
        let shown = try await converse([], "\(server.address)")
        let difference = "differs at offset 3: expected 0x6C 'l', received 0x6D 'm'"
        #expect(shown.exit == .code(1))
        #expect(shown.errors == "echo: \(server.address): an answer \(difference)\n")
        let received = "Received [5 bytes]: 'helmo'\r\n"
        let prompt = "Send: hello\r\n"
        #expect(shown.output == "\(prompt)\(received)The answer \(difference)\r\nSend: \r\n")
        let plain = try await converse(["--no-verify"], "\(server.address)")
        #expect(plain.exit == .code(0))
        #expect(plain.output == "\(prompt)\(received)Send: \r\n")
    }

    // Types a line, waits for the answer, and types ^D.
    private func converse(
        _ flags: [String],
        _ address: String
    ) async throws -> (exit: RunningProcess.Exit, output: String, errors: String) {
        let echo = try BuiltProduct.path(named: "echo")
        let process = try RunningProcess(echo, ["client", address] + flags, input: .terminal)
        #expect(await eventually { process.text(of: .standardOutput) == "Send: " })
        try await process.write("hello\n")
        #expect(await eventually { process.text(of: .standardOutput).hasSuffix("\r\nSend: ") })
        try await process.write("\u{4}")
        let result = try await process.result()
        return (result.exit, String(decoding: result.output, as: UTF8.self), result.errors)
    }

    @Test func `rlwrap gives line editing, and a history for the next session`() async throws {
        let server = try ThreadedEchoServer()
        let folder = try TemporaryFolder()
        let echo = try BuiltProduct.path(named: "echo")
        // Up twice to the first line, to its beginning, and an insertion there; later, once up.
        let sessions = [["first\r", "second\r", "\u{1B}[A\u{1B}[A\u{1}my \r"], ["\u{1B}[A!\r"]]
        for (lines, last) in zip(sessions, ["my first", "my first!"]) {
            let process = try RunningProcess(
                "/bin/sh",
                ["-c", "stty cols 80; exec rlwrap \(echo) client \(server.address)"],
                environment: [
                    "RLWRAP_HOME": folder.path(""), "TERM": "xterm", "INPUTRC": "/dev/null",
                ],
                input: .terminal
            )
            var answers = 0
            for line in lines {
                // rlwrap has drawn the prompt, and readline reads.
                #expect(
                    await eventually {
                        let shown = process.text(of: .standardOutput)
                        let answered = shown.matches(of: /Received \[/).count == answers
                        let rest = shown.split(separator: "Received [").last ?? ""
                        return answered && rest.contains("Send: ")
                    }
                )
                try await process.write(line)
                answers += 1
            }
            let expected = "Received [\(last.count) bytes]: '\(last)'"
            #expect(
                await eventually { process.text(of: .standardOutput).contains(expected) },
                "\(process.text(of: .standardOutput))"
            )
            try await process.write("\u{4}")
            let result = try await process.result()
            #expect(result.exit == .code(0))
            #expect(result.errors == "")
        }
    }
}
