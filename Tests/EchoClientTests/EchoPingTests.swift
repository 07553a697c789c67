import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// The library's ping, against servers that are right and wrong.
@Suite(.timeLimit(.minutes(5)))
struct EchoPingTests {
    private func ping(
        _ server: ThreadedEchoServer,
        count: Int? = 5,
        timeout: Duration = patience
    ) -> EchoPing {
        var ping = EchoPing(EchoEndpoint(server.endpoint))
        ping.interval = .milliseconds(20)
        ping.count = count
        ping.timeout = timeout
        return ping
    }

    /// Runs it, and gives what it told of each probe as well.
    private func run(
        _ ping: EchoPing
    ) async throws -> (report: EchoPing.EndpointReport, told: ToldProbes) {
        let told = ToldProbes()
        let report = try await ping.run { told.note($0) }
        return (try #require(report.endpoints.first), told)
    }

    /// Sends so many probes to a server, slowly enough for a machine in use; none is missed.
    private func ping(
        _ behaviour: ThreadedEchoServer.Behaviour,
        count: Int
    ) async throws -> (report: EchoPing.EndpointReport, told: ToldProbes) {
        try await unmissed {
            let server = try ThreadedEchoServer(behaviour)
            var ping = ping(server, count: count)
            ping.interval = .milliseconds(100)
            return try await run(ping)
        }
    }

    @Test(arguments: [1, 64, 65_536])
    func `every probe of one kept connection comes back`(_ size: Int) async throws {
        let server = try ThreadedEchoServer()
        var ping = ping(server)
        ping.size = size
        let (report, told) = try await run(ping)
        let probes = told.all
        #expect(report.sent + report.missed == 5)
        #expect(report.received == report.sent, "\(report)")
        #expect(report.connections == 1 && report.connect?.samples == 1)
        #expect(report.address == "\(server.address)")
        #expect(report.loss == 0 && report.resolve == nil && report.lastFailure == nil)
        let first = try #require(probes.first { $0.sent != nil })
        #expect(probes.filter { $0.connect != nil }.map(\.sequence) == [first.sequence])
        for probe in probes {
            #expect(probe.due == .milliseconds(20) * probe.sequence)
            // On a slow machine a moment may be missed.
            if case .missed = probe.outcome { continue }
            #expect(probe.sent ?? .zero >= probe.due)
        }
    }

    @Test func `each probe can have a connection of its own`() async throws {
        let server = try ThreadedEchoServer(on: .unix("\0ping-test-\(getpid())"))
        var ping = ping(server)
        ping.connections = .new
        let (report, told) = try await run(ping)
        #expect(report.received == report.sent && report.connections == report.sent)
        #expect(report.connect?.samples == report.connections)
        #expect(told.all.filter { $0.connect != nil }.count == report.sent)
    }

    // A ping that waited for an answer before the next probe would never end.
    @Test func `a probe without an answer does not delay the next ones`() async throws {
        let server = try ThreadedEchoServer { connection in
            var held: [UInt8] = []
            while held.count < 4 * 64, connection.wait() {
                held += connection.socket.receiveBytes(atMost: 65_536).bytes
            }
            _ = connection.sendAll(held)
            connection.run(.echoes)
        }
        let told = ToldProbes()
        let (report, isEnough) = try await ping(server, count: nil)
            .run(telling: told) { $0.received.count >= 4 }
        try #require(isEnough, "\(told.all)")
        // The first waited for the fourth, which left in time all the same.
        let (first, fourth) = (told.received[0], told.received[3])
        let longest = try #require(report.roundTrip?.maximum)
        #expect(fourth.sequence >= first.sequence + 3)
        let span = try #require(fourth.sent) - #require(first.sent)
        #expect(longest >= span, "\(longest)")
        #expect(report.connections == 1 && report.lost == 0)
    }

    @Test func `an echo after the timeout is late, and its probe remains lost`() async throws {
        let told = ToldProbes()
        // One that could not be sent, for want of a connection, is lost for another reason.
        let lost = EchoPing.Outcome.lost(reason: "no echo within 10ms")
        // Three echoes, once their probes are lost; nothing else.
        let server = try ThreadedEchoServer { connection in
            var held: [UInt8] = []
            while connection.wait() {
                held += connection.socket.receiveBytes(atMost: 65_536).bytes
                guard held.count > 3 * 64, told.count({ $0 == lost }) >= 3 else { continue }
                _ = connection.sendAll(Array(held.prefix(3 * 64)))
                break
            }
            connection.run(.swallows)
        }
        var ping = ping(server, count: nil, timeout: .milliseconds(10))
        ping.interval = .milliseconds(100)
        let (report, isEnough) = try await ping.run(telling: told) { $0.count(\.isLate) >= 3 }
        #expect(isEnough)
        #expect(report.lost >= 3 && report.received == 0 && report.wrong == 0, "\(report)")
        #expect(report.late == 3 && report.loss == 1)
        #expect(told.count { $0 == lost } >= 3)
        #expect(report.roundTrip == nil && report.connections == 1)
    }

    @Test func `a server that never answers loses everything`() async throws {
        let server = try ThreadedEchoServer(.swallows)
        let (report, _) = try await run(ping(server, timeout: .milliseconds(50)))
        #expect(report.lost == report.sent && report.loss == 1, "\(report)")
        #expect(report.lastFailure == "no echo within 50ms")
        #expect(report.address == "\(server.address)")
    }

    @Test func `wrong bytes are told with their place, and the connection is reopened`()
        async throws
    {
        let (report, told) = try await ping(.corrupts(at: 100), count: 8)
        #expect(report.wrong >= 1 && report.received >= 1, "\(report)")
        #expect(report.received + report.wrong + report.lost == report.sent)
        #expect(report.connections >= 2)
        let evidence = told.all.compactMap { probe -> String? in
            if case .wrong(let evidence) = probe.outcome { evidence } else { nil }
        }
        #expect(evidence.allSatisfy { $0.hasPrefix("offset 100: expected byte ") }, "\(evidence)")
    }

    @Test(arguments: [Fault.greets, .clearsHighBit, .staleBuffer])
    func `a server that changes bytes is found out`(_ fault: Fault) async throws {
        let server = try ThreadedEchoServer(with: fault)
        let (report, isFound) = try await ping(server, count: nil)
            .run(telling: ToldProbes()) { $0.contains { $0.isWrong || $0.isSurplus } }
        #expect(isFound && report.wrong + report.surplus >= 1, "\(report)")
    }

    @Test func `bytes that nobody sent are found out`() async throws {
        let server = try ThreadedEchoServer(.doubles)
        let (report, _) = try await run(ping(server))
        #expect(report.wrong + report.surplus >= 1, "\(report)")
    }

    @Test(arguments: [
        ThreadedEchoServer.Behaviour.closesAfter(bytes: 128), .resetsAfter(bytes: 128),
    ])
    func `a broken connection is reopened at the next probe`(
        _ behaviour: ThreadedEchoServer.Behaviour
    ) async throws {
        let (report, _) = try await ping(behaviour, count: 8)
        #expect(report.connections >= 2 && report.received >= 2, "\(report)")
        #expect(report.received + report.lost == report.sent && report.wrong == 0)
    }

    @Test(arguments: [EchoPing.Connections.kept, .new])
    func `nobody there loses everything, and says why`(_ use: EchoPing.Connections) async throws {
        let address = try Listener(.loopback(port: 0)).address
        var ping = EchoPing(.tcp("127.0.0.1", port: address.port ?? 0))
        ping.connections = use
        ping.count = 3
        ping.interval = .milliseconds(10)
        let (report, _) = try await run(ping)
        #expect(report.lost == report.sent && report.failedConnections == report.sent)
        #expect(report.address == nil && report.connections == 0)
        #expect(report.lastFailure == "Connection refused")
    }

    @Test func `the second address of a name is tried when the first refuses`() async throws {
        let server = try ThreadedEchoServer(on: .loopback6(port: 0))
        var ping = EchoPing(.tcp("localhost", port: server.address.port ?? 0))
        ping.count = 2
        ping.interval = .milliseconds(10)
        ping.timeout = patience
        let (report, _) = try await run(ping)
        #expect(report.received == report.sent && report.address == "\(server.address)")
    }

    @Test func `a full queue of a Unix socket is waited for until the timeout`() async throws {
        let name = "\0ping-full-\(getpid())"
        let listener = try Listener(.unix(name), backlog: 0)
        let filler = try Socket(family: AF_UNIX)
        _ = try filler.connect(to: listener.address)
        var ping = EchoPing(.unix(name))
        ping.count = 1
        ping.timeout = .milliseconds(100)
        let (report, _) = try await run(ping)
        #expect(report.lost == 1 && report.lastFailure == "no answer in time", "\(report)")
        #expect(filler.number >= 0)
    }

    @Test func `a name that has no address is part of the report`() async throws {
        let server = try ThreadedEchoServer()
        var ping = ping(server, count: 2)
        ping.endpoints.append(.tcp("no-such-host.invalid", port: 7))
        let report = try await ping.run()
        #expect(report.endpoints[0].received == report.endpoints[0].sent)
        #expect(report.endpoints[1].sent == 0 && report.endpoints[1].loss == 1)
        #expect(report.endpoints[1].lastFailure != nil && report.endpoints[1].resolve != nil)
    }

    @Test func `cancelling ends a run without end, with its report`() async throws {
        let server = try ThreadedEchoServer()
        let (report, isEnough) = try await ping(server, count: nil)
            .run(telling: ToldProbes()) { $0.received.count >= 2 }
        #expect(isEnough && report.received >= 2)
    }

    @Test func `a run leaves neither descriptors nor threads behind`() async throws {
        await #expect(processExitsWith: .success) {
            let server = try ThreadedEchoServer()
            let endpoint = EchoEndpoint(server.endpoint)
            var ping = EchoPing([EchoEndpoint](repeating: endpoint, count: 9))
            ping.count = nil
            let before = ProcessFigures().openSocketsAndPipes
            let task = Task { [ping] in try await ping.run() }
            let opened = await eventually {
                ProcessFigures().openSocketsAndPipes.count >= before.count + 18
            }
            try #require(opened)
            task.cancel()
            _ = try await task.value
            let closed = await eventually {
                ProcessFigures().openSocketsAndPipes.isSubset(of: before)
            }
            #expect(closed, "\(ProcessFigures().openDescriptors)")
        }
    }

    @Test func `what contradicts the documentation is refused`() async throws {
        let good = EchoPing(.tcp("localhost", port: 7))
        var bad: [EchoPing] = []
        for change in [
            { $0.endpoints = [] }, { $0.interval = .zero }, { $0.size = 0 }, { $0.size = 65_537 },
            { $0.timeout = .zero }, { $0.count = 0 },
        ] as [(inout EchoPing) -> Void] {
            var ping = good
            change(&ping)
            bad.append(ping)
        }
        for ping in bad {
            let error = await #expect(throws: EchoPing.Failure.self) { try await ping.run() }
            #expect(error?.code == .invalidConfiguration)
        }
    }
}
