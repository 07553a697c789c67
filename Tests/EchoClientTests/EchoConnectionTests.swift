import EchoSockets
import EchoTestSupport
import Foundation
import Testing

@testable import EchoClient

/// The public connection, against servers that are right and servers that are not.
@Suite(.timeLimit(.minutes(2)), .serialized)
struct EchoConnectionTests {
    private func failure<Value>(_ body: () async throws -> Value) async -> EchoConnection.Failure? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? EchoConnection.Failure
        }
    }

    private func bytes(_ count: Int) -> [UInt8] {
        PatternBytes(seed: 1, connection: 1).bytes(count: count)
    }

    private func open(_ server: ThreadedEchoServer) async throws -> EchoConnection {
        try await EchoConnection.open(EchoEndpoint(parsing: "\(server.endpoint)"))
    }

    @Test(arguments: [1, 100, 65_536, 5_000_000])
    func `bytes come back`(_ count: Int) async throws {
        let server = try ThreadedEchoServer()
        let connection = try await open(server)
        #expect(connection.address == "\(server.address)")
        #expect(try await connection.echo(bytes(count)) > .zero)
        #expect(try await connection.echo("again".utf8) > .zero)
    }

    @Test func `nothing has come back at once`() async throws {
        let server = try ThreadedEchoServer(.swallows)
        let connection = try await open(server)
        #expect(try await connection.echo([]) == .zero)
        try await connection.send([])
    }

    @Test func `calls of many tasks are carried out one after another`() async throws {
        let server = try ThreadedEchoServer()
        let connection = try await open(server)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for count in 1...50 {
                group.addTask { try await connection.echo(bytes(count * 997)) }
            }
            try await group.waitForAll()
        }
    }

    @Test func `all connections have one thread, which ends after the last`() async throws {
        let server = try ThreadedEchoServer()
        var connections = try await withThrowingTaskGroup(of: EchoConnection.self) { group in
            for _ in 0..<100 { group.addTask { try await open(server) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for connection in connections { try await connection.echo("x".utf8) }
        #expect(await eventually { Self.threads == 1 })
        connections = []
        #expect(await eventually { Self.threads == 0 })
    }

    private static var threads: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task"))?.count {
            readFile("/proc/self/task/\($0)/comm") == Array("connections\n".utf8)
        } ?? 0
    }

    @Test func `sending and receiving are apart`() async throws {
        let server = try ThreadedEchoServer()
        let connection = try await open(server)
        try await connection.send("hello".utf8)
        #expect(try await connection.receive(atMost: 2) == Array("he".utf8))
        connection.endSending()
        var rest: [UInt8] = []
        while case let part = try await connection.receive(), !part.isEmpty { rest += part }
        #expect(rest == Array("llo".utf8))
        #expect(try await connection.receive() == [])
        let failure = await failure { try await connection.send([1]) }
        #expect(failure?.code == .closed)
    }

    @Test func `the end comes after all that is being sent`() async throws {
        let server = try ThreadedEchoServer()
        let connection = try await open(server)
        // More than the buffers of both sides hold.
        let sent = bytes(20_000_000)
        async let sending: Void = connection.send(sent, timeout: nil)
        let first = try await connection.receive(atMost: 1, timeout: nil)
        connection.endSending()
        let isWhole = try await first + collect(connection) == sent
        #expect(isWhole)
        try await sending
    }

    private func collect(_ connection: EchoConnection) async throws -> [UInt8] {
        var all: [UInt8] = []
        while case let part = try await connection.receive(timeout: nil), !part.isEmpty {
            all += part
        }
        return all
    }

    @Test func `a wrong byte is named, and ends the connection`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 1000))
        let connection = try await open(server)
        try await connection.echo(bytes(900))
        let first = await failure { try await connection.echo(bytes(900)) }
        #expect(first?.code == .wrong)
        let place = "\(server.endpoint): the answer differs at offset 100: expected "
        #expect(first?.description.hasPrefix(place) == true)
        #expect(await failure { try await connection.echo([1]) } == first)
    }

    @Test func `a server that ends or resets too early is told apart`() async throws {
        let endingServer = try ThreadedEchoServer(.closesAfter(bytes: 10))
        let ending = try await open(endingServer)
        let ended = await failure { try await ending.echo(bytes(20)) }
        #expect(ended?.code == .ended || ended?.code == .reset)
        let resettingServer = try ThreadedEchoServer(.resetsAfter(bytes: 10))
        let resetting = try await open(resettingServer)
        let reset = await failure { try await resetting.echo(bytes(20)) }
        #expect(reset?.code == .reset)
    }

    @Test func `an echo that is late is given up, and so is its connection`() async throws {
        let server = try ThreadedEchoServer(.swallows)
        let connection = try await open(server)
        let late = await failure { try await connection.echo([1], timeout: .milliseconds(20)) }
        #expect(late?.code == .timedOut)
        #expect(
            late?.description.hasSuffix("no answer within 20ms") == true,
            "\(late?.description)"
        )
        #expect(await failure { try await connection.echo([1]) } == late)
    }

    @Test func `a receive that is late, or cancelled, loses nothing`() async throws {
        let server = try ThreadedEchoServer()
        let connection = try await open(server)
        let late = await failure { try await connection.receive(timeout: .milliseconds(20)) }
        #expect(late?.code == .timedOut)
        let receiving = Task { await failure { try await connection.receive(timeout: nil) } }
        // Gives it the time to begin.
        _ = await failure { try await connection.receive(timeout: .milliseconds(50)) }
        receiving.cancel()
        #expect(await receiving.value?.code == .cancelled)
        try await connection.send("abc".utf8)
        #expect(try await connection.receive(atMost: 1) == Array("a".utf8))
        #expect(try await connection.receive() == Array("bc".utf8))
    }

    /// Bytes may come while a receive is being cancelled.
    @Test func `a receive that is cancelled at any moment loses nothing`() async throws {
        let server = try ThreadedEchoServer()
        let connection = try await open(server)
        for round in 0..<2000 {
            let byte = UInt8(truncatingIfNeeded: round)
            let receiving = Task { try? await connection.receive(timeout: nil) }
            try await connection.send([byte])
            receiving.cancel()
            var received = await receiving.value
            if received == nil { received = try await connection.receive() }
            try #require(received == [byte], "round \(round)")
        }
    }

    /// The answer has come in time; that the clients' thread was held up is not the server's fault.
    @Test func `a connection outlives an echo that completes as its time ends`() async throws {
        let (hasCome, isHeld) = (Latch(), Latch())
        let server = try ThreadedEchoServer { connection in
            _ = connection.wait()
            hasCome.open()
            isHeld.wait()
            connection.run(.echoes)
        }
        let connection = try await open(server)
        let thread = try ConnectionThread.current()
        let echo = Task { await failure { try await connection.echo([1], timeout: .seconds(3)) } }
        try await onThread { hasCome.wait() }
        // It is answered meanwhile: first comes the answer then, and after it the end of its time.
        thread.perform { _ in
            isHeld.open()
            _ = poll(nil, 0, 3000)
        }
        #expect(await echo.value == nil)
        #expect(await failure { try await connection.echo([2]) } == nil)
    }

    @Test func `an echo that is cancelled ends its connection`() async throws {
        let server = try ThreadedEchoServer(.swallows)
        let connection = try await open(server)
        let echo = Task { await failure { try await connection.echo([1], timeout: nil) } }
        echo.cancel()
        #expect(await echo.value?.code == .cancelled)
        #expect(await failure { try await connection.receive(timeout: nil) }?.code == .closed)
    }

    @Test func `closing ends what waits`() async throws {
        let server = try ThreadedEchoServer(.swallows)
        let connection = try await open(server)
        async let receiving = failure { try await connection.receive(timeout: nil) }
        connection.close()
        #expect(await receiving?.code == .closed)
        #expect(await failure { try await connection.send([1]) }?.code == .closed)
    }

    @Test func `a connection that nobody has is closed`() async throws {
        let ended = Latch()
        let server = try ThreadedEchoServer { connection in
            connection.run(.echoes)
            ended.open()
        }
        // Without it, the thread of all connections would end, and close them.
        let other = try await open(server)
        var connection: EchoConnection? = try await open(server)
        try await connection?.echo([1])
        connection = nil
        try await onThread { ended.wait() }
        try await other.echo([1])
    }

    @Test func `nobody there, and no such host`() async throws {
        var server: ThreadedEchoServer? = try ThreadedEchoServer()
        let endpoint = try EchoEndpoint(parsing: "\(#require(server?.endpoint))")
        server = nil
        #expect(
            await eventually {
                await failure { try await EchoConnection.open(endpoint) }?.code == .refused
            }
        )
        let path = EchoEndpoint.unix("/nowhere/echo.sock")
        let missing = await failure { try await EchoConnection.open(path) }
        #expect(missing?.code == .refused)
        #expect(
            missing?.description.hasPrefix("cannot connect to unix:/nowhere/echo.sock: ") == true
        )
    }

    @Test func `looking a name up is part of the time limit, and can be cancelled`() async throws {
        let lookup = HeldLookup()
        let endpoint = EchoEndpoint.tcp(lookup.host, port: 7)
        let late = await failure {
            try await EchoConnection.open(endpoint, timeout: .milliseconds(50))
        }
        #expect(late?.code == .timedOut)
        let opening = Task {
            await failure { try await EchoConnection.open(endpoint, timeout: .seconds(60)) }
        }
        #expect(await eventually { lookup.isWaiting })
        opening.cancel()
        #expect(await opening.value?.code == .cancelled)
        lookup.release()
        let unknown = await failure { try await EchoConnection.open(endpoint) }
        #expect(unknown?.code == .unknownHost)
    }

    @Test func `Unix sockets as well`() async throws {
        let folder = try TemporaryFolder()
        let server = try ThreadedEchoServer(on: .unix(folder.path("echo.sock")))
        let connection = try await open(server)
        #expect(connection.address == "unix:\(folder.path("echo.sock"))")
        try await connection.echo(bytes(1_000_000))
    }
}
