import EchoClient
import Glibc
import Sockets
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct PromptTests {
    private let input: TestPipe
    private let output: TestPipe

    init() throws {
        input = try TestPipe()
        output = try TestPipe()
    }

    private func run(against endpoint: Endpoint) async throws -> Prompt.End {
        let prompt = Prompt(input: input.reading, output: output.writing)
        defer { output.closeWriting() }
        return try await onThread {
            prompt.run(try EchoConnection.open(endpoint, timeout: patience))
        }
    }

    private func transcript() async throws -> String {
        String(decoding: try await output.readToEnd(), as: UTF8.self)
    }

    @Test func `a conversation reads as the textbook's`() async throws {
        let server = try ThreadedEchoServer()
        try await input.write("hello\n\nGr\u{FC}\u{DF}e\ttab\\\u{1B}[2J\nlast")
        input.closeWriting()
        #expect(try await run(against: server.endpoint) == .inputEnded)
        let expected = """
            Send: Received [5 bytes]: 'hello'
            Send: Send: Received [16 bytes]: 'Gr\u{FC}\u{DF}e\\ttab\\\\\\x1B[2J'
            Send: Received [4 bytes]: 'last'
            Send:\u{20}

            """
        #expect(try await transcript() == expected)
    }

    @Test func `a line of a mebibyte comes back whole`() async throws {
        let server = try ThreadedEchoServer()
        let line = String(repeating: "0123456789abcdef", count: 1 << 16)
        async let shown = transcript()
        async let end = run(against: server.endpoint)
        try await input.write(line + "\n")
        input.closeWriting()
        #expect(try await end == .inputEnded)
        #expect(try await shown == "Send: Received [1048576 bytes]: '\(line)'\nSend: \n")
    }

    @Test func `a server that goes while a line is typed is told at once`() async throws {
        let server = try ThreadedEchoServer(.closesAfter(bytes: 2))
        async let end = run(against: server.endpoint)
        try await input.write("hi\n")
        #expect(try await end == .serverEnded)
        #expect(try await end.failure == "the server ended the connection")
        #expect(try await transcript() == "Send: Received [2 bytes]: 'hi'\nSend: \n")
    }

    @Test func `a server that resets is told`() async throws {
        let server = try ThreadedEchoServer(.resetsAfter(bytes: 0))
        try await input.write("hi\n")
        let end = try await run(against: server.endpoint)
        #expect(end == .connectionLost(Errno(rawValue: ECONNRESET)))
    }

    @Test func `a server that speaks unasked is no echo server`() async throws {
        let (endpoint, owner) = try ForwardServer.start(sending: "welcome")
        #expect(try await run(against: endpoint) == .surplus)
        _ = owner
    }

    @Test func `a terminal that has gone ends it, without SIGPIPE`() async throws {
        let server = try ThreadedEchoServer()
        output.closeReading()
        let end = try await run(against: server.endpoint)
        #expect(end == .terminalFailed(Errno(rawValue: EPIPE)))
    }

    @Test func `a pipe is no terminal`() {
        #expect(!isTerminal(input.reading))
        #expect(!isTerminal(-1))
    }
}
