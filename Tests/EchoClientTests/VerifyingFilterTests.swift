import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// A filter that compares what comes back with what was sent.
@Suite(.timeLimit(.minutes(5)))
struct VerifyingFilterTests {
    private let input: TestPipe
    private let output: TestPipe

    init() throws {
        input = try TestPipe()
        output = try TestPipe()
    }

    private func run(
        against endpoint: Endpoint,
        output other: CInt? = nil,
        timeout: Duration? = nil
    ) async throws -> FilterResult {
        let (number, other) = (input.reading, other ?? output.writing)
        return try await onThread(within: .seconds(150)) {
            let connection = try ConnectedSocket.open(endpoint, timeout: patience)
            return Filter(input: number, output: other, timeout: timeout, verifies: true)
                .run(connection)
        }
    }

    /// Feeds bytes to the end, and gives the result and what came out.
    private func pass(
        _ bytes: [UInt8],
        through server: ThreadedEchoServer
    ) async throws -> (result: FilterResult, output: [UInt8]) {
        async let fed: Void = {
            try? await input.write(bytes)
            input.closeWriting()
        }()
        async let written = output.readToEnd()
        let result = try await run(against: server.endpoint)
        output.closeWriting()
        // A filter that ends early leaves its input unread.
        input.closeReading()
        await fed
        return (result, try await written)
    }

    @Test(arguments: [0, 1, 4096, 65_537, 16 << 20])
    func `what comes back right is no fault, however much it is`(count: Int) async throws {
        let bytes = PatternBytes(seed: 6).bytes(count: count)
        let (result, written) = try await pass(bytes, through: try ThreadedEchoServer())
        #expect(result == FilterResult(sent: count, received: count, end: .complete))
        #expect(result.kind == nil && result.failure == nil)
        #expect(written == bytes)
    }

    @Test(arguments: [0, 1000, 65_536, 3_000_000])
    func `the first byte that differs is named, and all is written as it came`(
        _ place: Int
    ) async throws {
        var bytes = PatternBytes(seed: 7).bytes(count: 4 << 20)
        bytes[place] = 0x0A
        let (result, written) = try await pass(
            bytes,
            through: try ThreadedEchoServer(.corrupts(at: place))
        )
        let difference = ByteDifference(offset: place, expected: 0x0A, received: 0x0B)
        #expect(result.fault == .differs(difference))
        #expect(result.kind == .wrong)
        #expect(
            result.failure == "the answer differs at offset \(place): "
                + #"expected 0x0A '\n', received 0x0B '\x0B'"#
        )
        bytes[place] = 0x0B
        #expect(written == bytes)
    }

    @Test func `bytes that were lost show where the first of them was`() async throws {
        let bytes = PatternBytes(seed: 8).bytes(count: 300_000)
        let (result, _) = try await pass(bytes, through: try ThreadedEchoServer(with: .loses))
        guard case .differs(let difference) = try #require(result.fault) else {
            Issue.record("\(result)")
            return
        }
        // The byte 20 places on may be the same by chance.
        #expect((100_000..<100_004).contains(difference.offset))
        #expect(result.end == .endedEarly(missing: 20))
        let end = "; then the server ended the connection; 20 bytes did not come back"
        #expect(result.failure == "the answer \(difference)\(end)")
    }

    @Test func `a short answer is no wrong one`() async throws {
        let bytes = PatternBytes(seed: 9).bytes(count: 5000)
        let (result, written) = try await pass(
            bytes,
            through: try ThreadedEchoServer(.closesAfter(bytes: 1000))
        )
        #expect(result.fault == nil)
        #expect(result.kind == .ended)
        #expect(written == Array(bytes.prefix(1000)))
    }

    @Test func `a longer answer is told from where it goes on`() async throws {
        let server = try ThreadedEchoServer { connection in
            guard connection.wait() else { return }
            let bytes = connection.socket.receiveBytes().bytes
            _ = connection.sendAll(bytes + Array("and\u{1B}more".utf8))
            connection.socket.shutdown(.sending)
            _ = connection.wait()
        }
        let (result, written) = try await pass(Array("hello".utf8), through: server)
        #expect(result.fault == .surplus(at: 5, bytes: Array("and\u{1B}more".utf8)))
        #expect(result.kind == .wrong)
        let text = #"that it had not been sent, from offset 5 on: 'and\x1Bmore'"#
        #expect(result.failure == "the server sent bytes \(text)")
        #expect(written == Array("helloand\u{1B}more".utf8))
    }

    @Test func `a banner is told from an answer`() async throws {
        let (server, owner) = try ForwardServer.start(
            sending: "220 mail.example.com ESMTP Postfix\r\n"
        )
        let result = try await run(against: server)
        _ = owner
        #expect(result.kind == .wrong)
        #expect(
            result.failure == "the server sent bytes before anything was sent to it: "
                + "'220 mail.example.com ESMTP Postf'…"
        )
        output.closeWriting()
        #expect(
            try await output.readToEnd() == Array("220 mail.example.com ESMTP Postfix\r\n".utf8)
        )
    }

    @Test func `no more is sent than it remembers`() async throws {
        // Reads everything and answers nothing: without a bound it would be sent everything.
        let server = try ThreadedEchoServer(.swallows)
        let zero = Descriptor(adopting: unsafe open("/dev/zero", O_RDONLY | O_CLOEXEC))
        let (number, other) = (zero.rawValue, output.writing)
        let result = try await onThread(within: .seconds(150)) {
            Filter(input: number, output: other, timeout: .seconds(3), verifies: true)
                .run(try ConnectedSocket.open(server.endpoint, timeout: patience))
        }
        #expect(result.sent == 16 << 20)
        #expect(result.kind == .late)
    }

    @Test func `an output that is closed is the fault of this side`() async throws {
        let server = try ThreadedEchoServer()
        output.closeReading()
        let result = try await run(against: server.endpoint)
        #expect(result.end == .outputClosed)
        #expect(result.isOwnFailure)
    }
}
