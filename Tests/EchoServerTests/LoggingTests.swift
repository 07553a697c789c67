import EchoSockets
import EchoTestSupport
import Glibc
import Logging
import Testing

@testable import EchoServer

/// What an operator gets to read.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct LoggingTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `at debug each beginning and end of a connection is told, with peer, bytes and cause`(
        _ model: EchoServer.IOModel
    ) async throws {
        let log = RecordedLog()
        try await withServer(model, logger: log.logger(.debug)) { server, address in
            let client = try await TestClient(to: address)
            let peer = try #require(client.localAddress)
            #expect(try await client.exchange([1, 2, 3]) == [1, 2, 3])
            client.shutdownSending()
            #expect(try await client.receiveToEnd().end == .finished)
            client.close()
            await expectEventually(server, \.active, is: 0)
            #expect(await eventually { log.lines(.debug).count == 2 })
            let broken = try await TestClient(to: address)
            #expect(try await broken.exchange([1]) == [1])
            broken.reset()
            await expectEventually(server, \.active, is: 0)
            #expect(await eventually { log.lines(.debug).count == 4 })
            let lines = log.lines(.debug)
            #expect(lines.first == "connection opened endpoint=\(address) peer=\(peer)")
            let first = try #require(lines.dropFirst().first)
            let expected =
                /connection closed bytes-received=3 bytes-sent=3 cause=peer-closed duration-seconds=\d+\.\d\d peer=(.+)/
            #expect(first.wholeMatch(of: expected)?.1 == "\(peer)", "\(first)")
            #expect(lines.last?.contains(" cause=reset ") == true)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `at debug the user and the process of a Unix socket's peer are told`(
        _ model: EchoServer.IOModel
    ) async throws {
        let log = RecordedLog()
        let path = temporarySocketPath()
        let listens = { @Sendable (configuration: inout EchoServer.Configuration) in
            configuration.listen = [.unix(path)]
        }
        try await withServer(model, listens, logger: log.logger(.debug)) { server, address in
            let client = try await TestClient(to: address)
            #expect(try await client.exchange([1]) == [1])
            client.close()
            #expect(await eventually { log.lines(.debug).count == 2 })
            let lines = log.lines(.debug)
            let identity = "peer=unix: process=\(getpid()) user=\(geteuid())"
            #expect(lines[0] == "connection opened endpoint=unix:\(path) \(identity)")
            #expect(lines[1].hasSuffix(" \(identity)"), "\(lines[1])")
        }
    }

    // A serving thread used to call the handler, and stood still with it.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a log handler that stands still delays no client, and the end for a second`(
        _ model: EchoServer.IOModel
    ) async throws {
        let gate = Gate()
        let log = RecordedLog(standingStillAt: gate)
        try await withServer(model, logger: log.logger(.debug)) { server, address in
            for _ in 0..<10 {
                let report = try await EchoLoad(connections: 20, bytes: 100).run(against: address)
                #expect(report.isComplete, "\(report)")
            }
            #expect(await server.isResponsive(within: patience))
        }
        gate.open()
        #expect(await eventually { log.lines(.info).contains { $0.hasPrefix("stopped ") } })
        #expect(log.lines(.debug).count == 400)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `at info connections are silent`(_ model: EchoServer.IOModel) async throws {
        let log = RecordedLog()
        var endpoint = ""
        try await withServer(model, logger: log.logger(.info)) { server, address in
            endpoint = "\(address)"
            // Probes: connect and leave; and a few that do more.
            _ = try await EchoLoad(connections: 20, bytes: 0).run(against: address)
            let report = try await EchoLoad(connections: 5, bytes: 1000).run(against: address)
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, \.active, is: 0)
        }
        #expect(await eventually { log.lines(.info).count == 3 })
        let lines = log.lines(.info)
        let listening = "listening endpoint=\(endpoint) model=\(model.rawValue)"
        #expect(lines[0] == "\(listening) version=\(EchoServer.version)")
        #expect(lines[1] == "draining active=0 timeout-seconds=0.0")
        #expect(lines[2].hasPrefix("stopped aborted=0 accept-failures=0 accepted="))
        #expect(log.count == 3)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `at debug each connection turned away is told, with the reason`(
        _ model: EchoServer.IOModel
    ) async throws {
        let log = RecordedLog()
        let rejectsAll = { @Sendable (configuration: inout EchoServer.Configuration) in
            configuration.admission = { _ in .reject }
        }
        try await withServer(model, rejectsAll, logger: log.logger(.debug)) { _, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            #expect(try await client.receiveToEnd().end == .reset)
            #expect(await eventually { log.lines(.debug).count == 1 })
            let line = log.lines(.debug)[0]
            #expect(line.hasPrefix("connection rejected peer=127.0.0.1:"))
            #expect(line.hasSuffix(" reason=condition"))
        }
    }

    // Refusals after the first line used to be lost if none followed ten seconds later.
    @Test func `what was counted and not told yet is told at the end`() async throws {
        let recorded = RecordedLog()
        let log = ServerLog(recorded.logger(.info))
        try log.open()
        for _ in 0..<5 {
            log.refused(.loopback(port: 1), Errno(rawValue: ENOMEM))
            log.addressesChanged()
        }
        log.stopped(EchoServer.Statistics())
        #expect(await eventually { recorded.lines(.info).count == 3 })
        #expect(recorded.lines(.info)[1] == "the addresses of this host have changed changes=4")
        let refusals = recorded.lines(.warning)
        #expect(refusals.count == 2)
        #expect(refusals.first?.contains(" failures=1 ") == true)
        #expect(refusals.last?.hasSuffix(" failures=4") == true, "\(refusals)")
    }
}

/// What was logged, as lines with sorted metadata.
private final class RecordedLog: Sendable {
    private let entries = Locked<[(level: Logger.Level, line: String)]>([])
    private let gate: Locked<Gate?>

    /// - Parameter gate: what the first line waits for.
    init(standingStillAt gate: Gate? = nil) {
        self.gate = Locked(gate)
    }

    var count: Int { entries.withLock { $0.count } }

    func lines(_ level: Logger.Level) -> [String] {
        entries.withLock { $0.filter { $0.level == level }.map(\.line) }
    }

    func logger(_ level: Logger.Level) -> Logger {
        var logger = Logger(label: "test") { _ in Handler(log: self) }
        logger.logLevel = level
        return logger
    }

    private struct Handler: LogHandler {
        let log: RecordedLog
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.MetadataValue? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.gate.withLock { $0.take() }?.wait()
            let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }
            let line = ([event.message.description] + fields.map { "\($0.key)=\($0.value)" })
                .joined(separator: " ")
            log.entries.withLock { $0.append((event.level, line)) }
        }
    }
}
