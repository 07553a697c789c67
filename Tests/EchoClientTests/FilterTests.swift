import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct FilterTests {
    private let input: TestPipe
    private let output: TestPipe

    init() throws {
        input = try TestPipe()
        output = try TestPipe()
    }

    private func run(
        against server: ThreadedEchoServer,
        input number: CInt? = nil,
        output other: CInt? = nil,
        timeout: Duration? = nil
    ) async throws -> FilterResult {
        let (number, other) = (number ?? input.reading, other ?? output.writing)
        return try await onThread(within: .seconds(150)) {
            let connection = try ConnectedSocket.open(server.endpoint, timeout: patience)
            return Filter(input: number, output: other, timeout: timeout).run(connection)
        }
    }

    @Test(arguments: [0, 1, 4096, 65_537, 16 << 20])
    func `everything that goes in comes out, however much`(count: Int) async throws {
        let server = try ThreadedEchoServer()
        let bytes = PatternBytes(seed: 1).bytes(count: count)
        async let fed: Void = {
            try await input.write(bytes)
            input.closeWriting()
        }()
        async let written = output.readToEnd()
        let result = try await run(against: server)
        output.closeWriting()
        try await fed
        #expect(result == FilterResult(sent: count, received: count, end: .complete))
        #expect(result.failure == nil)
        #expect(try await written == bytes)
    }

    @Test func `a Unix socket serves as well, and files as input and output`() async throws {
        let server = try ThreadedEchoServer(on: .unix("\0filter-test-\(getpid())"))
        let folder = try TemporaryFolder()
        let bytes = PatternBytes(seed: 2).bytes(count: 1 << 20)
        let source = try folder.file("in", holding: bytes)
        let target = try folder.file("out", holding: [])
        let result = try await run(
            against: server,
            input: source.rawValue,
            output: target.rawValue
        )
        #expect(result.end == .complete)
        #expect(readFile(folder.path("out")) == bytes)
    }

    @Test func `the shared streams are never made non-blocking`() async throws {
        let server = try ThreadedEchoServer(.swallows)
        async let result = run(against: server)
        try await input.write("hello")
        #expect(await eventually { unreadBytes(input.reading) == 0 })
        #expect(fcntl(input.reading, F_GETFL) & O_NONBLOCK == 0)
        #expect(fcntl(output.writing, F_GETFL) & O_NONBLOCK == 0)
        input.closeWriting()
        #expect(try await result.end == .endedEarly(missing: 5))
    }

    @Test func `a reader that lets the output wait does not stop the sending`() async throws {
        // More than the output's pipe, the filter's buffers and the input's pipe hold together; and
        // the output's pipe is never empty, so that a write of all its room would block.
        let server = try ThreadedEchoServer()
        let bytes = PatternBytes(seed: 4).bytes(count: 400 * 1024)
        try await output.write("before")
        async let result = run(against: server)
        try await withDeadline { try await input.write(bytes) }
        #expect(await eventually { unreadBytes(input.reading) == 0 })
        input.closeWriting()
        async let written = output.readToEnd()
        #expect(try await result.end == .complete)
        output.closeWriting()
        #expect(try await written == Array("before".utf8) + bytes)
    }

    @Test func `an early end says how many bytes are missing`() async throws {
        let server = try ThreadedEchoServer(.closesAfter(bytes: 1000))
        try await input.write(PatternBytes(seed: 3).bytes(count: 5000))
        input.closeWriting()
        async let written = output.readToEnd()
        let result = try await run(against: server)
        output.closeWriting()
        #expect(result.end == .endedEarly(missing: 4000))
        let text = "the server ended the connection; 4000 bytes did not come back"
        #expect(result.failure == text)
        #expect(try await written == PatternBytes(seed: 3).bytes(count: 1000))
    }

    @Test func `an end before the input's end is an error though nothing is missing`() async throws
    {
        let server = try ThreadedEchoServer(.closesAfter(bytes: 10))
        try await input.write("0123456789")
        let result = try await run(against: server)
        #expect(result == FilterResult(sent: 10, received: 10, end: .endedEarly(missing: 0)))
        #expect(result.failure == "the server ended the connection before the end of the input")
    }

    @Test func `CO-7: a reset is an error, and what came before it is written`() async throws {
        let server = try ThreadedEchoServer(.resetsAfter(bytes: 10))
        try await input.write("0123456789")
        let result = try await run(against: server)
        output.closeWriting()
        #expect(result.end == .connectionLost(Errno(rawValue: ECONNRESET)))
        #expect(result.failure == "the connection was lost: Connection reset by peer")
        let count = try await output.readToEnd().count
        #expect(count == result.received)
    }

    @Test func `CO-9: an output that nobody reads ends it, without SIGPIPE`() async throws {
        let server = try ThreadedEchoServer()
        output.closeReading()
        let result = try await run(against: server)
        #expect(result.end == .outputClosed)
    }

    @Test func `CO-9: an output that is closed in between ends it, without SIGPIPE`() async throws {
        let server = try ThreadedEchoServer()
        async let result = run(against: server)
        try await input.write("hello")
        #expect(await eventually { unreadBytes(output.reading) == 5 })
        output.closeReading()
        #expect(try await result.end == .outputClosed)
    }

    @Test func `a full disk and an unreadable input are told`() async throws {
        let server = try ThreadedEchoServer()
        let full = Descriptor(adopting: unsafe open("/dev/full", O_WRONLY | O_CLOEXEC))
        try await input.write("hello")
        input.closeWriting()
        let first = try await run(against: server, output: full.rawValue)
        #expect(first.failure == "cannot write the output: No space left on device")
        #expect(first.isOwnFailure)
        let folder = Descriptor(adopting: unsafe open("/", O_RDONLY | O_CLOEXEC))
        let second = try await run(against: server, input: folder.rawValue)
        #expect(second.failure == "cannot read the input: Is a directory")
        #expect(second.isOwnFailure)
    }

    @Test(arguments: [(0, 5), (3, 2)])
    func `a server that does not answer in time is told`(
        _ answered: Int,
        _ missing: Int
    ) async throws {
        let server = try ThreadedEchoServer(.fallsSilentAfter(bytes: answered))
        try await input.write("hello")
        let result = try await run(against: server, timeout: .seconds(3))
        #expect(result.end == .timedOut(missing: missing))
        #expect(result.received == answered)
        let text = "the server did not answer in time; \(missing) bytes did not come back"
        #expect(result.failure == text)
        #expect(!result.isOwnFailure)
        output.closeWriting()
        #expect(try await output.readToEnd() == Array("hello".utf8.prefix(answered)))
    }

    @Test func `a server that takes no more in time is told`() async throws {
        // Nobody accepts: the kernel takes what it has room for.
        let listener = try Listener(.loopback(port: 0))
        let endpoint = Endpoint.tcp(host: "127.0.0.1", port: listener.address.port ?? 0)
        let zero = Descriptor(adopting: unsafe open("/dev/zero", O_RDONLY | O_CLOEXEC))
        let (input, output) = (zero.rawValue, output.writing)
        let result = try await onThread(within: .seconds(150)) {
            Filter(input: input, output: output, timeout: .milliseconds(300))
                .run(try ConnectedSocket.open(endpoint, timeout: patience))
        }
        #expect(result.end == .timedOut(missing: result.sent + 65_536), "\(result)")
    }

    @Test func `a server that does not end the connection in time is told`() async throws {
        let listener = try Listener(.loopback(port: 0))
        let endpoint = Endpoint.tcp(host: "127.0.0.1", port: listener.address.port ?? 0)
        input.closeWriting()
        let (input, output) = (input.reading, output.writing)
        let result = try await onThread {
            Filter(input: input, output: output, timeout: .milliseconds(300))
                .run(try ConnectedSocket.open(endpoint, timeout: patience))
        }
        #expect(result.end == .timedOut(missing: 0))
        #expect(result.failure == "the server did not end the connection in time")
    }

    @Test func `only the server's time counts, not that of the input or the output`() async throws {
        let server = try ThreadedEchoServer()
        let bytes = PatternBytes(seed: 5).bytes(count: 400 * 1024)
        // An output that is full, for longer than the limit, and an input that has a rest.
        try await output.write("before")
        async let result = run(against: server, timeout: .seconds(2))
        try await input.write(bytes)
        #expect(await eventually { unreadBytes(input.reading) == 0 })
        let wakeup = try Wakeup()
        let spoken = try await onThread { isReadable(wakeup.number, within: .seconds(3)) }
        #expect(!spoken)
        async let written = output.readToEnd()
        try await input.write("last")
        input.closeWriting()
        #expect(try await result.end == .complete)
        output.closeWriting()
        #expect(try await written == Array("before".utf8) + bytes + Array("last".utf8))
    }

    @Test func `more bytes than were sent are an error`() async throws {
        let (server, listener) = try ForwardServer.start(sending: "welcome")
        input.closeWriting()
        let (input, output) = (input.reading, output.writing)
        let result = try await onThread {
            Filter(input: input, output: output)
                .run(try ConnectedSocket.open(server, timeout: patience))
        }
        _ = listener
        #expect(result.end == .surplus(7))
        #expect(result.failure == "the server sent 7 bytes more than it was sent")
    }
}
