import EchoClient
import EchoSockets
import EchoTestSupport
import Histogram
import Testing

/// The clients of a bench, against servers that are right and servers that are not.
@Suite(.timeLimit(.minutes(5)))
struct LoadClientTests {
    private func run(
        _ load: EchoBench.Load,
        against server: ThreadedEchoServer,
        for duration: Duration = .milliseconds(300),
        atLeast echoes: Int = 0
    ) async throws -> LoadTally {
        let address = server.address
        return try await onThread {
            var tally: LoadTally
            // Where the machine was busy all the time, again.
            var rounds = 0
            repeat {
                let loop = try ClientLoop()
                tally = LoadClient(loop, address, load, seed: 42).run(
                    warmUp: .milliseconds(50),
                    duration: duration
                )
                rounds += 1
            } while tally.echoes < echoes && tally.firstFailure == nil && rounds < 20
            return tally
        }
    }

    private func load(_ change: (inout EchoBench.Load) -> Void) -> EchoBench.Load {
        var load = EchoBench.Load()
        change(&load)
        return load
    }

    private static let shapes: [(connections: Int, size: Int, inFlight: Int)] = [
        (1, 1, 1), (1, 64, 16), (20, 64, 1), (5, 100_000, 1), (2, 65_537, 5), (3, 7, 4096),
    ]

    @Test(arguments: shapes)
    func `messages come back whole, whatever their size and number`(
        _ shape: (connections: Int, size: Int, inFlight: Int)
    ) async throws {
        let server = try ThreadedEchoServer()
        let load = load {
            $0.connections = shape.connections
            $0.size = shape.size
            $0.inFlight = shape.inFlight
        }
        let tally = try await run(load, against: server, atLeast: 1)
        #expect(tally.echoes > 0)
        #expect(tally.wrongBytes == 0 && tally.failedConnections == 0, "\(tally)")
        #expect(tally.service.totalCount == UInt64(tally.echoes))
        #expect(tally.duration >= .milliseconds(300))
    }

    @Test func `bytes that are wrong are counted, and named`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 1000))
        // It ends with the last connection.
        let load = load { $0.connections = 2 }
        let tally = try await run(load, against: server, for: .seconds(20))
        #expect(tally.wrongBytes == 2, "\(tally)")
        #expect(tally.failedConnections == 2)
        #expect(tally.firstFailure?.contains("offset 1000: expected byte ") == true, "\(tally)")
    }

    @Test func `connections that the server ends are counted`() async throws {
        let server = try ThreadedEchoServer(.closesAfter(bytes: 6400))
        // It ends with the last connection.
        let load = load { $0.connections = 3 }
        let tally = try await run(load, against: server, for: .seconds(20))
        #expect(tally.failedConnections == 3, "\(tally)")
        #expect(tally.wrongBytes == 0)
    }

    @Test func `without a server nothing is counted but the failure`() async throws {
        var server: ThreadedEchoServer? = try ThreadedEchoServer()
        let address = try #require(server?.address)
        server = nil
        #expect(await eventually { (try? ConnectedSocket.open(.loopback(address))) == nil })
        let load = load { $0.connections = 4 }
        let tally = try await onThread {
            let loop = try ClientLoop()
            return LoadClient(loop, address, load, seed: 42).run(warmUp: .zero, duration: .zero)
        }
        #expect(tally.failedConnections == 4 && tally.echoes == 0)
        #expect(tally.firstFailure?.contains("Connection refused") == true, "\(tally)")
    }

    @Test func `each message of a churn has a connection of its own`() async throws {
        let accepted = Locked(0)
        let server = try ThreadedEchoServer { connection in
            accepted.withLock { $0 += 1 }
            connection.run(.echoes)
        }
        let load = load {
            $0.connections = 5
            $0.isChurn = true
        }
        let tally = try await run(load, against: server, atLeast: 6)
        #expect(tally.echoes > 5)
        #expect(tally.failedConnections == 0, "\(tally)")
        #expect(accepted.withLock { $0 } >= tally.echoes)
    }

    @Test func `idle connections are open meanwhile, and send nothing`() async throws {
        let server = try ThreadedEchoServer()
        let load = load { $0.idleConnections = 30 }
        let tally = try await run(load, against: server, atLeast: 1)
        #expect(tally.echoes > 0 && tally.failedConnections == 0, "\(tally)")
    }

    @Test func `an open loop keeps to its rate`() async throws {
        let server = try ThreadedEchoServer()
        let load = load {
            $0.connections = 10
            $0.rate = 500
        }
        let tally = try await run(load, against: server, for: .seconds(3))
        // On a busy machine a round may last longer than asked for.
        let due =
            500
            * Int(
                tally.duration.components.seconds * 1000
                    + tally.duration.components.attoseconds / 1_000_000_000_000_000
            ) / 1000
        #expect(abs(tally.echoes - due) <= due / 5, "\(tally.echoes) of \(due)")
        #expect(tally.response.totalCount == UInt64(tally.echoes))
        #expect(tally.response.max >= tally.service.max)
    }

    @Test func `an open loop counts what a server that does not answer keeps from being sent`()
        async throws
    {
        let server = try ThreadedEchoServer(.fallsSilentAfter(bytes: 64))
        let load = load {
            $0.connections = 2
            $0.rate = 200
        }
        let tally = try await run(load, against: server, for: .seconds(2))
        #expect(tally.missedSends > 50, "\(tally.missedSends)")
        #expect(tally.failedConnections == 0)
    }

    @Test func `a stop ends a round at once`() async throws {
        let server = try ThreadedEchoServer()
        let address = server.address
        let stop = ClientStop()
        let begun = try Wakeup()
        async let span = onThread {
            let loop = try ClientLoop(stop)
            let start = MonotonicTime.now
            _ = LoadClient(loop, address, EchoBench.Load(), seed: 1).run(
                warmUp: .zero,
                duration: .seconds(40),
                atBegin: { begun.signal() }
            )
            return MonotonicTime.now - start
        }
        try await onThread { begun.wait(atMost: .seconds(20)) }
        stop.stop()
        #expect(try await span < .seconds(20))
    }
}

extension Endpoint {
    fileprivate static func loopback(_ address: SocketAddress) -> Endpoint {
        .tcp(host: address.host, port: address.port ?? 0)
    }
}
