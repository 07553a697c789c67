import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Histogram
import Testing

/// The clients of a bench where a server refuses some of them, or the clients are held up.
@Suite(.timeLimit(.minutes(5)))
struct LoadClientFaultTests {
    private func run(
        _ load: EchoBench.Load,
        against server: ThreadedEchoServer,
        for duration: Duration,
        atBegin: @escaping @Sendable () -> Void = {}
    ) async throws -> LoadTally {
        let address = server.address
        return try await onThread {
            LoadClient(try ClientLoop(), address, load, seed: 42).run(
                warmUp: .milliseconds(50),
                duration: duration,
                atBegin: atBegin
            )
        }
    }

    /// To look at a server with many threads takes a while.
    @Test(arguments: [nil, 1000])
    func `what happens when measuring begins is not charged to the server`(
        _ rate: Double?
    ) async throws {
        let server = try ThreadedEchoServer()
        var load = EchoBench.Load()
        load.connections = 4
        load.rate = rate
        var rounds = 0
        var tally: LoadTally
        repeat {
            tally = try await run(load, against: server, for: .milliseconds(300)) {
                _ = poll(nil, 0, 600)
            }
            rounds += 1
            // Where the machine was busy, again.
        } while (tally.echoes == 0 || max(tally.service.max, tally.response.max) >= 400_000_000)
            && rounds < 10
        #expect(tally.echoes > 0)
        #expect(tally.service.max < 400_000_000)
        #expect(tally.response.max < 400_000_000)
        guard let rate else { return }
        let due = rate * Double(tally.duration / .milliseconds(1)) / 1000
        #expect(Double(tally.echoes) <= due + 50, "\(due)")
    }

    @Test func `connections that end while others are opened hold nobody up`() async throws {
        let server = try ThreadedEchoServer { connection in
            if connection.index < 3 { connection.run(.echoes) }
        }
        var load = EchoBench.Load()
        load.connections = 300
        let start = MonotonicTime.now
        let tally = try await run(load, against: server, for: .milliseconds(50))
        #expect(MonotonicTime.now - start < LoadClient.openingLimit)
        #expect(tally.failedConnections == 297)
        #expect(tally.firstFailure?.contains("ended by the server") == true, "\(tally)")
    }

    @Test func `a churn goes on after connections have failed`() async throws {
        let server = try ThreadedEchoServer { connection in
            if connection.index >= 3 { connection.run(.echoes) }
        }
        var load = EchoBench.Load()
        load.isChurn = true
        let tally = try await run(load, against: server, for: .seconds(3))
        #expect(tally.failedConnections == 3, "\(tally)")
        #expect(tally.echoes > 0, "\(tally)")
    }

    @Test func `an idle connection that ends is not replaced by one that sends`() async throws {
        let answering = Locked((now: 0, most: 0))
        let server = try ThreadedEchoServer { connection in
            // Idle ones come first; they end once others are served.
            guard connection.index >= 20 else {
                while answering.withLock({ $0.most == 0 }) { _ = poll(nil, 0, 1) }
                return
            }
            while connection.wait() {
                let bytes = connection.socket.receiveBytes(atMost: 64).bytes
                if bytes.isEmpty { return }
                answering.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
                _ = poll(nil, 0, 1)
                // Before the client can go on.
                answering.withLock { $0.now -= 1 }
                _ = connection.sendAll(bytes)
            }
        }
        var load = EchoBench.Load()
        load.isChurn = true
        load.idleConnections = 20
        let tally = try await run(load, against: server, for: .seconds(1))
        #expect(tally.failedConnections == 20, "\(tally)")
        #expect(answering.withLock { $0.most } == 1)
    }

    /// A round may be too short for a machine in use.
    @Test func `a server that is slow is told from one that never answers`() async throws {
        let silent = try ThreadedEchoServer(.swallows)
        let load = EchoBench.Load()
        let none = try await run(load, against: silent, for: .milliseconds(50))
        #expect(none.echoes == 0 && none.isUnanswered)
        let isOver = Latch()
        let slow = try ThreadedEchoServer { connection in
            isOver.wait()
            connection.run(.echoes)
        }
        let address = slow.address
        let late = try await onThread {
            LoadClient(try ClientLoop(), address, load, seed: 42).run(
                warmUp: .milliseconds(50),
                duration: .milliseconds(50),
                atEnd: { isOver.open() }
            )
        }
        #expect(late.echoes == 0 && !late.isUnanswered)
    }
}
