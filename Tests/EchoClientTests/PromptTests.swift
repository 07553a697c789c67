import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct PromptTests {
    private let input: TestPipe
    private let output: TestPipe

    init() throws {
        input = try TestPipe()
        output = try TestPipe()
    }

    // A line may be long and the machine busy.
    private func run(
        against endpoint: Endpoint,
        timeout: Duration? = nil
    ) async throws -> PromptEnd {
        let prompt = Prompt(input: input.reading, output: output.writing, timeout: timeout)
        defer { output.closeWriting() }
        return try await onThread(within: .seconds(150)) {
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
        #expect(try await transcript() == "Send: \nReceived [7 bytes]: 'welcome'\n")
        _ = owner
    }

    @Test func `an answer that is cut short is shown`() async throws {
        let server = try ThreadedEchoServer(.closesAfter(bytes: 3))
        try await input.write("hello\n")
        #expect(try await run(against: server.endpoint) == .serverEnded)
        #expect(try await transcript() == "Send: Received [3 bytes]: 'hel'\n")
    }

    @Test func `an answer that is too long is shown`() async throws {
        let server = try ThreadedEchoServer(.doubles)
        try await input.write("hello\n")
        #expect(try await run(against: server.endpoint) == .surplus)
        #expect(try await transcript() == "Send: Received [10 bytes]: 'hellohello'\n")
    }

    @Test func `a wrong answer is shown`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 0))
        try await input.write("hello\n")
        input.closeWriting()
        #expect(try await run(against: server.endpoint) == .inputEnded)
        #expect(try await transcript() == "Send: Received [5 bytes]: 'iello'\nSend: \n")
    }

    @Test func `a server that does not answer in time is told, and what came is shown`()
        async throws
    {
        let server = try ThreadedEchoServer(.fallsSilentAfter(bytes: 8))
        try await input.write("first\nsecond\n")
        let end = try await run(against: server.endpoint, timeout: .milliseconds(300))
        #expect(end == .timedOut(missing: 3))
        let text = "the server did not answer in time; 3 bytes did not come back"
        #expect(end.failure == text)
        let shown = "Send: Received [5 bytes]: 'first'\nSend: Received [3 bytes]: 'sec'\n"
        #expect(try await transcript() == shown)
    }

    @Test func `somebody who thinks for long before typing is waited for`() async throws {
        let server = try ThreadedEchoServer()
        async let end = run(against: server.endpoint, timeout: .milliseconds(100))
        let wakeup = try Wakeup()
        let spoken = try await onThread { isReadable(wakeup.number, within: .milliseconds(600)) }
        #expect(!spoken)
        input.closeWriting()
        #expect(try await end == .inputEnded)
    }

    @Test func `a terminal that has gone ends it, without SIGPIPE`() async throws {
        let server = try ThreadedEchoServer()
        output.closeReading()
        let end = try await run(against: server.endpoint)
        #expect(end == .terminalFailed(Errno(rawValue: EPIPE)))
        #expect(end.isOwnFailure)
    }

    @Test func `a pipe is no terminal`() {
        #expect(!isTerminal(input.reading))
        #expect(!isTerminal(-1))
    }
}
