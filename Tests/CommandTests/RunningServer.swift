import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// The built command, serving.
struct RunningServer: Sendable {
    let process: RunningProcess
    /// Where it listens first.
    let address: SocketAddress

    var figures: ProcessFigures { ProcessFigures(pid: process.pid) }

    /// Starts it on a free port of 127.0.0.1, unless the arguments say where, and waits until it
    /// listens.
    ///
    /// - Parameters:
    ///   - arguments: flags to add.
    ///   - wrapper: a command to start it through, which becomes the server: `prlimit`, `setpriv`.
    /// - Throws: why it did not come to listen.
    init(_ arguments: [String] = [], through wrapper: [String] = []) async throws {
        var flags = arguments
        if !flags.contains("--listen") { flags += ["--listen", "127.0.0.1:0"] }
        let command = wrapper + [try BuiltProduct.path(named: "echo")] + flags
        process = try RunningProcess(command[0], Array(command.dropFirst()))
        let line = try await process.line { $0.hasPrefix("listening on ") }
        let endpoint = try Endpoint(parsing: String(line.dropFirst("listening on ".count)))
        address = try #require(try endpoint.resolve().first)
    }

    init(
        _ model: EchoServer.IOModel,
        _ arguments: [String] = [],
        through wrapper: [String] = []
    )
        async throws
    {
        try await self.init(["--model", model.rawValue] + arguments, through: wrapper)
    }

    /// Expects that it echoes.
    func expectEcho(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let report = try await EchoLoad(connections: 3, bytes: 50_000).run(against: address)
        #expect(report.isComplete, "\(report)", sourceLocation: sourceLocation)
    }

    /// What a client sends that is owed bytes: more than has room on the way back, even if half of
    /// it has been read.
    static let owedBytes = PatternBytes(seed: 7).bytes(count: 1 << 20)

    /// Connects a client that has sent ``owedBytes`` and has read nothing.
    ///
    /// A drain waits for it, whomever the machine holds up. It would not for a client that reads
    /// what it sends: that one is quiet as soon as it is held up for long enough.
    func owedClient() async throws -> TestClient {
        let client = try await TestClient(to: address, receiveBuffer: 4096)
        try await client.send(Self.owedBytes)
        return client
    }

    /// Ends it and expects that it drains.
    func expectExit(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        process.send(signal: SIGTERM)
        let result = try await process.result()
        #expect(result.exit == .code(0), "\(result.errors)", sourceLocation: sourceLocation)
    }
}

/// Runs the built command to its end.
func runEcho(
    _ arguments: [String],
    through wrapper: [String] = [],
    input: RunningProcess.Input = .none
) async throws -> (exit: RunningProcess.Exit, output: String, errors: String) {
    let command = wrapper + [try BuiltProduct.path(named: "echo")] + arguments
    let process = try RunningProcess(command[0], Array(command.dropFirst()), input: input)
    let result = try await process.result()
    return (result.exit, String(decoding: result.output, as: UTF8.self), result.errors)
}

extension String {
    /// The lines of what a command wrote.
    var outputLines: [Substring] { split(whereSeparator: \.isNewline) }
}

/// Expects that a server of metrics comes to answer with a status: the machine may be too busy for
/// an answer in time.
func expectStatus(
    _ status: Int,
    of path: String,
    from address: SocketAddress,
    sourceLocation: SourceLocation = #_sourceLocation
) async {
    var last: Int?
    let isAnswered = await eventually {
        last = (try? await HTTPExchange(path, with: address))?.status
        return last == status
    }
    #expect(isAnswered, "\(path): \(last ?? 0)", sourceLocation: sourceLocation)
}

/// Uses the processor for nothing while a span of time passes.
func letPass(_ span: Duration) async throws {
    let wakeup = try Wakeup()
    let spoken = try await onThread { isReadable(wakeup.number, within: span) }
    #expect(!spoken)
}
