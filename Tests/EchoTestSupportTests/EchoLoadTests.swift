import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// The tests' own load generator must see what it is there to see.
@Suite(.timeLimit(.minutes(5)))
struct EchoLoadTests {
    @Test(arguments: [
        EchoLoad.Behaviour.echo, .lockstep(size: 100),
        .slowReader(bytes: 50_000, every: .milliseconds(1)),
    ])
    func `every byte of every connection is verified`(_ behaviour: EchoLoad.Behaviour) async throws
    {
        let server = try ThreadedEchoServer()
        let load = EchoLoad(connections: 8, bytes: 100_050, behaviour: behaviour)
        let report = try await load.run(against: server.endpoint)
        #expect(report.isComplete, "\(report)")
        #expect(report.bytesVerified == 8 * 100_050)
    }

    @Test func `a load of many connections ends without half-closing as well`() async throws {
        let server = try ThreadedEchoServer()
        var load = EchoLoad(connections: 100, bytes: 64)
        load.halfCloses = false
        let report = try await load.run(against: server.address)
        #expect(report.isComplete, "\(report)")
    }

    @Test func `one wrong byte is found, and named`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 70_001))
        let report = try await EchoLoad(bytes: 100_000).run(against: server.address)
        #expect(!report.isComplete)
        let text = try #require(report.firstMismatch)
        #expect(text.hasPrefix("connection 0, offset 70001: expected byte "))
    }

    @Test func `an early end, a reset and a silent end are told apart`() async throws {
        let early = try ThreadedEchoServer(.closesAfter(bytes: 1000))
        let broken = try ThreadedEchoServer(.resetsAfter(bytes: 1000))
        let away = try ThreadedEchoServer(.closesAfter(bytes: 0))
        let load = EchoLoad(connections: 3, bytes: 200_000)
        let (first, second, third) = (
            try await load.run(against: early.address), try await load.run(against: broken.address),
            try await load.run(against: away.address)
        )
        #expect(first.endedEarly == 3, "\(first)")
        #expect(second.reset + second.turnedAway == 3, "\(second)")
        #expect(third.turnedAway == 3, "\(third)")
    }

    @Test func `a server that is not there refuses`() async throws {
        let address = try Listener(.loopback(port: 0)).address
        let report = try await EchoLoad(connections: 2).run(against: address)
        #expect(report.refused == 2)
        #expect(report.firstRefusal == "Connection refused")
    }

    @Test func `a server that swallows everything runs into the deadline`() async throws {
        let server = try ThreadedEchoServer(.swallows)
        var load = EchoLoad(connections: 2, bytes: 10)
        load.deadline = .milliseconds(50)
        load.halfCloses = false
        let report = try await load.run(against: server.address)
        #expect(report.timedOut)
        #expect(report.unfinished == 2)
    }

    @Test func `a load that never reads fills the buffers and stops when told`() async throws {
        let server = try ThreadedEchoServer()
        let load = try EchoLoad(connections: 2, bytes: 1 << 30, behaviour: .neverReads)
            .start(against: server.address)
        #expect(await load.reaches { $0.bytesSent > 1 << 20 })
        load.stop()
        let report = try await load.report()
        #expect(report.unfinished == 2, "\(report)")
        #expect(report.bytesVerified == 0)
    }

    @Test func `connections stay open until they are told to end`() async throws {
        let server = try ThreadedEchoServer()
        var load = EchoLoad(connections: 20, bytes: 10)
        load.staysOpen = true
        let running = try load.start(against: server.address)
        #expect(await running.reaches { $0.held == 20 })
        running.stop()
        #expect(try await running.report().isComplete)
    }

    @Test func `a load resets its connections mid-stream`() async throws {
        let server = try ThreadedEchoServer()
        let load = EchoLoad(connections: 4, bytes: 30_000, behaviour: .reset)
        let report = try await load.run(against: server.address)
        #expect(report.resetByUs == 4, "\(report)")
    }

    @Test func `bytes that turn up in the wrong place say where they came from`() {
        let pattern = PatternBytes(seed: 7, connection: 513)
        let bytes = pattern.bytes(from: 12_345, count: 40)
        for start in 0..<8 {
            let origin = PatternBytes.origin(
                of: Array(bytes[start...]),
                seed: 7,
                connections: 600,
                length: 20_000
            )
            #expect(origin?.description == "connection 513, offset \(12_345 + start)")
        }
        #expect(PatternBytes.origin(of: bytes, seed: 8, connections: 600, length: 20_000) == nil)
    }
}
