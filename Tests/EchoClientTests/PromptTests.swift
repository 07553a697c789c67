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
        timeout: Duration? = nil,
        verifies: Bool = true
    ) async throws -> PromptResult {
        let prompt = Prompt(
            input: input.reading,
            output: output.writing,
            timeout: timeout,
            verifies: verifies
        )
        defer { output.closeWriting() }
        return try await onThread(within: .seconds(150)) {
            prompt.run(try ConnectedSocket.open(endpoint, timeout: patience))
        }
    }

    private func transcript() async throws -> String {
        String(decoding: try await output.readToEnd(), as: UTF8.self)
    }

    @Test func `a conversation reads as the textbook's`() async throws {
        let server = try ThreadedEchoServer()
        try await input.write("hello\n\nGr\u{FC}\u{DF}e\ttab\\\u{1B}[2J\nlast")
        input.closeWriting()
        #expect(try await run(against: server.endpoint).end == .inputEnded)
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
        async let result = run(against: server.endpoint)
        try await input.write(line + "\n")
        input.closeWriting()
        #expect(try await result.end == .inputEnded)
        #expect(try await shown == "Send: Received [1048576 bytes]: '\(line)'\nSend: \n")
    }

    @Test func `a server that goes while a line is typed is told at once`() async throws {
        let server = try ThreadedEchoServer(.closesAfter(bytes: 2))
        async let result = run(against: server.endpoint)
        try await input.write("hi\n")
        #expect(try await result.end == .serverEnded)
        #expect(try await result.failure == "the server ended the connection")
        #expect(try await transcript() == "Send: Received [2 bytes]: 'hi'\nSend: \n")
    }

    @Test func `a server that resets is told`() async throws {
        let server = try ThreadedEchoServer(.resetsAfter(bytes: 0))
        try await input.write("hi\n")
        let result = try await run(against: server.endpoint)
        #expect(result.end == .connectionLost(Errno(rawValue: ECONNRESET)))
    }

    @Test func `a server that speaks unasked is no echo server`() async throws {
        let (endpoint, owner) = try ForwardServer.start(sending: "welcome")
        #expect(try await run(against: endpoint).end == .banner)
        #expect(
            try await transcript()
                == "Send: \nReceived [7 bytes before anything was sent]: 'welcome'\n"
        )
        _ = owner
    }

    @Test func `an answer that is cut short is shown`() async throws {
        let server = try ThreadedEchoServer(.closesAfter(bytes: 3))
        try await input.write("hello\n")
        #expect(try await run(against: server.endpoint).end == .serverEnded)
        #expect(try await transcript() == "Send: Received [3 bytes, 2 less than sent]: 'hel'\n")
    }

    @Test func `an answer that is too long is shown`() async throws {
        let server = try ThreadedEchoServer(.doubles)
        try await input.write("hello\n")
        #expect(try await run(against: server.endpoint).end == .surplus)
        let shown = "Send: Received [10 bytes, 5 more than sent]: 'hellohello'\n"
        #expect(try await transcript() == shown)
    }

    @Test func `a wrong answer is shown, with its first difference below it`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 1))
        try await input.write("hello\nagain\n")
        input.closeWriting()
        let result = try await run(against: server.endpoint)
        #expect(result.end == .inputEnded)
        #expect(result.kind == .wrong)
        #expect(result.difference == ByteDifference(offset: 1, expected: 0x65, received: 0x64))
        let difference = "differs at offset 1: expected 0x65 'e', received 0x64 'd'"
        #expect(result.failure == "an answer \(difference)")
        let shown = """
            Send: Received [5 bytes]: 'hdllo'
            The answer \(difference)
            Send: Received [5 bytes]: 'again'
            Send:\u{20}

            """
        #expect(try await transcript() == shown)
    }

    @Test func `without being compared, a wrong answer is shown and no more`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 0))
        try await input.write("hello\n")
        input.closeWriting()
        let result = try await run(against: server.endpoint, verifies: false)
        #expect(result.kind == nil)
        #expect(try await transcript() == "Send: Received [5 bytes]: 'iello'\nSend: \n")
    }

    @Test func `bytes between two lines are told from an answer and from a banner`() async throws {
        let wakeup = try Wakeup()
        let server = try ThreadedEchoServer { connection in
            guard connection.wait() else { return }
            _ = connection.sendAll(connection.socket.receiveBytes().bytes)
            guard isReadable(wakeup.number) else { return }
            _ = connection.sendAll("unasked".utf8)
            connection.waitForStop()
        }
        async let result = run(against: server.endpoint)
        try await input.write("hello\n")
        let answered = "Send: Received [5 bytes]: 'hello'\nSend: "
        #expect(await eventually { unreadBytes(output.reading) == answered.utf8.count })
        wakeup.signal()
        #expect(try await result.end == .surplus)
        #expect(try await result.kind == .wrong)
        let shown = answered + "\nReceived [7 bytes that were not sent]: 'unasked'\n"
        #expect(try await transcript() == shown)
    }

    @Test func `a server that does not answer in time is told, and what came is shown`()
        async throws
    {
        let server = try ThreadedEchoServer(.fallsSilentAfter(bytes: 8))
        try await input.write("first\nsecond\n")
        let result = try await run(against: server.endpoint, timeout: .seconds(3))
        #expect(result.end == .timedOut(missing: 3))
        let text = "the server did not answer in time; 3 bytes did not come back"
        #expect(result.failure == text)
        let shown = """
            Send: Received [5 bytes]: 'first'
            Send: Received [3 bytes, 3 less than sent]: 'sec'

            """
        #expect(try await transcript() == shown)
    }

    @Test func `somebody who thinks for long before typing is waited for`() async throws {
        let server = try ThreadedEchoServer()
        async let result = run(against: server.endpoint, timeout: .milliseconds(100))
        let wakeup = try Wakeup()
        let spoken = try await onThread { isReadable(wakeup.number, within: .milliseconds(600)) }
        #expect(!spoken)
        input.closeWriting()
        #expect(try await result.end == .inputEnded)
    }

    @Test func `a terminal that has gone ends it, without SIGPIPE`() async throws {
        let server = try ThreadedEchoServer()
        output.closeReading()
        let result = try await run(against: server.endpoint)
        #expect(result.end == .terminalFailed(Errno(rawValue: EPIPE)))
        #expect(result.isOwnFailure)
    }

    @Test func `a pipe is no terminal`() {
        #expect(!isTerminal(input.reading))
        #expect(!isTerminal(-1))
    }
}
