import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// The idle timeout: time without progress in either direction.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct IdleTimeoutTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a connection on which nothing moves is ended in good order`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.idleTimeout = .milliseconds(1000)
        } _: { server, address in
            // Where the machine held us up for as long as the timeout, nothing can be said: again.
            let conclusive = try await eventually {
                let client = try await TestClient(to: address)
                defer { client.close() }
                let start = MonotonicTime.now
                guard (try? await client.exchange([1])) == [1] else { return false }
                let (bytes, end) = try await client.receiveToEnd()
                let span = MonotonicTime.now - start
                #expect(bytes == [])
                #expect(end == .finished)
                #expect(span > .milliseconds(500), "\(span)")
                return span < .seconds(5)
            }
            #expect(conclusive)
            await expectEventually(server, \.active, is: 0)
            #expect(Array(server.statistics.closed.keys) == [.idleTimeout])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a connection that never says anything is ended too`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.idleTimeout = .milliseconds(200)
        } _: { server, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            #expect(try await client.receiveToEnd().end == .finished)
            // It does not close in turn: it is not waited for.
            await expectEventually(server, { $0.closed }, is: [.idleTimeout: 1])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a peer that trickles is not closed`(_ model: EchoServer.IOModel) async throws {
        // Where the machine held us up for as long as the timeout, nothing can be said: again,
        // with a longer one.
        for timeout in [Duration.milliseconds(800), .seconds(3), .seconds(12)] {
            let conclusive = try await withServer(model) {
                $0.idleTimeout = timeout
            } _: { _, address in
                try await Self.trickle(to: address, within: timeout)
            }
            if conclusive { return }
        }
        Issue.record("the machine was too busy each time")
    }

    // Sends a byte every quarter of the timeout, for twice as long; `false` if that did not work
    // out in time.
    private static func trickle(
        to address: SocketAddress,
        within timeout: Duration
    ) async throws -> Bool {
        var last = MonotonicTime.now
        let client = try await TestClient(to: address)
        defer { client.close() }
        for number in UInt8(0)..<8 {
            let start = last
            last = .now
            let back = try? await client.exchange([number])
            let isQuiet = try await client.isSilent(for: timeout / 4)
            guard .now - start < timeout else { return false }
            #expect(back == [number])
            #expect(isQuiet)
        }
        return true
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a peer that only reads what it is owed makes progress`(
        _ model: EchoServer.IOModel
    ) async throws {
        // All is sent at once and then, for at least twice the timeout, only read. Where the
        // machine holds a client up for as long as the timeout, it is rightly ended: again, with a
        // longer one.
        for seconds in [1, 4, 12] {
            let report = try await withServer(model) {
                $0.idleTimeout = .seconds(seconds)
                $0.pendingLimit = 64 << 20
            } _: { _, address in
                let pace = Duration.milliseconds(7 * seconds)
                let slowly = EchoLoad.Behaviour.slowReader(bytes: 64 << 10, every: pace)
                var load = EchoLoad(connections: 1, bytes: 20 << 20, behaviour: slowly)
                load.deadline = .seconds(120)
                return try await load.run(against: address)
            }
            #expect(report.firstMismatch == nil, "\(report)")
            if report.isComplete { return }
        }
        Issue.record("ended early each time")
    }

    /// The kernel has room for more only once a good part of what it holds has been read.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a peer that reads slower than a socket becomes writable makes progress`(
        _ model: EchoServer.IOModel
    ) async throws {
        // Where the machine holds it up for as long as the timeout: again, with a longer one.
        for timeout in [Duration.seconds(1), .seconds(4), .seconds(12)] {
            let stayed = try await withServer(model) {
                $0.idleTimeout = timeout
            } _: { server, address in
                let client = try await TestClient(to: address, receiveBuffer: 4096)
                defer { client.close() }
                try await client.send([UInt8](repeating: 7, count: 300_000))
                // For three times the timeout.
                for _ in 0..<60 {
                    await pause(milliseconds: (timeout / 20).millisecondsRoundedUp)
                    guard try await client.receive(1024).count == 1024,
                        server.statistics.closedTotal == 0
                    else { return false }
                }
                return true
            }
            if stayed { return }
        }
        Issue.record("ended early each time")
    }

    /// A call that blocks begins long before what it leads to.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `the time counts from the last progress, not from the last call`(
        _ model: EchoServer.IOModel
    ) async throws {
        for timeout in [Duration.seconds(2), .seconds(6), .seconds(18)] {
            let stayed = try await withServer(model) {
                $0.idleTimeout = timeout
            } _: { server, address in
                let client = try await TestClient(to: address, receiveBuffer: 4096)
                defer { client.close() }
                let bytes = [UInt8](repeating: 7, count: 128 * 1024)
                try await client.send(bytes)
                await pause(milliseconds: (timeout * 3 / 4).millisecondsRoundedUp)
                // The kernel has no room left for all of it (tcp(7)), and there is
                // nothing to be received after it.
                try await client.send(Array(bytes.prefix(64 * 1024)))
                await pause(milliseconds: (timeout / 2).millisecondsRoundedUp)
                let start = MonotonicTime.now
                let back = try await client.receive(bytes.count + 64 * 1024)
                await pause(milliseconds: (timeout / 4).millisecondsRoundedUp)
                let last = try? await client.exchange([1])
                guard .now - start < timeout else { return false }
                #expect(back == bytes + bytes.prefix(64 * 1024))
                #expect(last == [1])
                return true
            }
            if stayed { return }
        }
        Issue.record("the machine was too busy each time")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a peer that does not read is cut off`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) {
            $0.idleTimeout = .milliseconds(300)
        } _: { server, address in
            let load = try EchoLoad(connections: 3, bytes: 1 << 40, behaviour: .neverReads)
                .start(against: address)
            await expectEventually(server, { $0.closed }, is: [.idleTimeout: 3])
            #expect(try await load.report().reset == 3)
        }
    }
}
