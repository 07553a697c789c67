import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import EchoClient

/// The library's ping over UDP, against servers that are right and wrong.
@Suite(.timeLimit(.minutes(5)))
struct DatagramPingTests {
    private func ping(
        _ address: SocketAddress,
        count: Int? = 5,
        timeout: Duration = patience
    ) -> EchoPing {
        var ping = EchoPing(.udp(address.host, port: address.port ?? 0))
        ping.interval = .milliseconds(20)
        ping.count = count
        ping.timeout = timeout
        return ping
    }

    /// Runs it, and gives what it told of each probe as well.
    private func run(
        _ ping: EchoPing
    ) async throws -> (report: EchoPing.EndpointReport, outcomes: [EchoPing.Outcome]) {
        let told = ToldProbes()
        let report = try await ping.run { told.note($0) }
        return (try #require(report.endpoints.first), told.all.map(\.outcome))
    }

    /// Sends so many probes to a server, slowly enough for a machine in use; none is missed.
    private func ping(
        count: Int,
        every interval: Duration = .milliseconds(100),
        timeout: Duration = patience,
        _ answers: @escaping @Sendable (Int, [UInt8]) -> [[UInt8]]
    ) async throws -> (report: EchoPing.EndpointReport, outcomes: [EchoPing.Outcome]) {
        let (report, outcomes) = try await unmissed {
            let server = try ScriptedDatagramServer(answers)
            var ping = ping(server.address, count: count, timeout: timeout)
            ping.interval = interval
            let (report, outcomes) = try await run(ping)
            return (report: report, told: outcomes)
        }
        return (report, outcomes)
    }

    @Test(arguments: [1, 2, 7, 8, 9, 64, 1473, 65_507])
    func `probes of every size come back`(_ size: Int) async throws {
        let server = try ScriptedDatagramServer { [$1] }
        for connections in [EchoPing.Connections.kept, .new] {
            var ping = ping(server.address)
            ping.size = size
            ping.connections = connections
            let (report, _) = try await run(ping)
            #expect(report.sent + report.missed == 5)
            #expect(report.received == report.sent && report.duplicates == 0, "\(report)")
            #expect(report.connections == 0 && report.connect == nil)
            #expect(report.address == "\(server.address)" && report.loss == 0)
        }
    }

    @Test func `every third datagram that a server loses is lost, and no other`() async throws {
        let (report, outcomes) = try await ping(count: 9, timeout: .seconds(2)) {
            $0 % 3 == 2 ? [] : [$1]
        }
        #expect(report.lost == 3 && report.received == 6 && report.wrong == 0, "\(report)")
        #expect(outcomes.contains(.lost(reason: "no echo within 2s")))
    }

    @Test func `answers may come in any order`() async throws {
        let held = Locked<[[UInt8]]>([])
        // Two groups of three, each in the opposite order; nothing else.
        let server = try ScriptedDatagramServer { number, bytes in
            held.withLock { held in
                if number % 3 == 0 { held = [] }
                held.insert(bytes, at: 0)
                return number == 2 || number == 5 ? held : []
            }
        }
        let (report, isEnough) = try await ping(server.address, count: nil)
            .run(telling: ToldProbes()) { $0.received.count >= 6 }
        #expect(isEnough && report.received == 6, "\(report)")
        #expect(report.lost + report.wrong + report.duplicates + report.surplus == 0, "\(report)")
        // The first of three waits for the others.
        #expect(report.roundTrip?.maximum ?? .zero >= .milliseconds(20))
    }

    @Test func `an echo that comes twice is a duplicate, and no loss`() async throws {
        let server = try ScriptedDatagramServer { [$1, $1] }
        let (report, outcomes) = try await run(ping(server.address))
        #expect(report.received == report.sent && report.lost == 0, "\(report)")
        #expect(report.duplicates >= report.sent - 1 && report.duplicates <= report.sent)
        #expect(outcomes.count(where: \.isDuplicate) == report.duplicates)
        #expect(report.wrong == 0 && report.surplus == 0 && report.late == 0)
    }

    @Test func `an echo after the timeout is late, and its probe remains lost`() async throws {
        let told = ToldProbes()
        let held = Locked<[[UInt8]]?>([])
        // Three echoes, once their probes are lost; nothing else.
        let server = try ScriptedDatagramServer { _, bytes in
            held.withLock { held in
                guard let before = held else { return [] }
                guard before.count >= 3, told.count(\.isLost) >= 3 else {
                    held = before + [bytes]
                    return []
                }
                held = nil
                return Array(before.prefix(3))
            }
        }
        var ping = ping(server.address, count: nil, timeout: .milliseconds(10))
        ping.interval = .milliseconds(100)
        let (report, isEnough) = try await ping.run(telling: told) { $0.count(\.isLate) >= 3 }
        #expect(isEnough)
        #expect(report.lost >= 3 && report.received == 0 && report.wrong == 0, "\(report)")
        #expect(report.late == 3 && report.loss == 1)
        #expect(report.roundTrip == nil && report.duplicates == 0)
    }

    /// What is wrong with an echo.
    enum Fault: String, CaseIterable, Sendable {
        case body = "offset 20: expected byte "
        case number = "offset 0: expected byte "
        case short = "63 of 64 bytes came back"
        case empty = "0 of 64 bytes came back"
        case long = "more than the 64 bytes that were sent came back"

        func spoil(_ bytes: [UInt8]) -> [UInt8] {
            var bytes = bytes
            switch self {
            case .body: bytes[20] ^= 1
            case .number: bytes[0] ^= 1
            case .short: bytes.removeLast()
            case .empty: bytes = []
            case .long: bytes += [1, 2, 3]
            }
            return bytes
        }
    }

    @Test(arguments: Fault.allCases)
    func `wrong bytes are told with their place`(_ fault: Fault) async throws {
        // Without the number, the only one is meant that waits: the second, after the first's echo.
        let hasNumber = fault != .number && fault != .empty
        let (report, outcomes) = try await ping(
            count: hasNumber ? 6 : 2,
            every: hasNumber ? .milliseconds(100) : .seconds(2)
        ) {
            $0 % 2 == 1 ? [fault.spoil($1)] : [$1]
        }
        #expect(report.wrong == (hasNumber ? 3 : 1), "\(report)")
        #expect(report.received == report.sent - report.wrong && report.lost == 0)
        let found = outcomes.compactMap { outcome -> String? in
            if case .wrong(let evidence) = outcome { evidence } else { nil }
        }
        #expect(found.allSatisfy { $0.hasPrefix(fault.rawValue) }, "\(found)")
    }

    @Test func `datagrams of no probe are a surplus`() async throws {
        let (report, outcomes) = try await ping(count: 2, every: .seconds(1)) { [$1, [1, 2, 3]] }
        #expect(report.received == 2 && report.wrong == 0, "\(report)")
        #expect(report.surplus == 1 || report.surplus == 2)
        #expect(outcomes.contains(.surplus(evidence: "3 bytes of no probe that is known")))
    }

    @Test func `a closed port loses each probe for its reason`() async throws {
        let (report, outcomes) = try await run(ping(try closed(host: 30)))
        #expect(report.lost == report.sent && report.sent + report.missed == 5, "\(report)")
        let refused = EchoPing.Outcome.lost(reason: "Connection refused")
        #expect(outcomes.filter { $0 == refused }.count == report.lost, "\(outcomes)")
        #expect(report.connectError?.kind == .refused)
        #expect(report.connections == 0 && report.failedConnections == 0)
    }

    @Test func `a server that comes later is found`() async throws {
        let address = try closed(host: 31)
        let late = Locked<ScriptedDatagramServer?>(nil)
        let (report, isFound) = try await ping(address, count: nil)
            .run(telling: ToldProbes()) { told in
                guard told.contains(\.isLost) else { return false }
                late.withLock { server in
                    if server == nil { server = try? ScriptedDatagramServer(at: address) { [$1] } }
                }
                return !told.received.isEmpty
            }
        #expect(isFound && report.lost >= 1 && report.connectError == nil, "\(report)")
    }

    @Test func `after a refusal the next address of the name is asked`() async throws {
        let server = try ScriptedDatagramServer(at: .loopback6(port: 0)) { [$1] }
        let (report, _) = try await unmissed {
            var ping = ping(server.address, count: 3)
            // The refusal is to be seen before the second is sent.
            ping.interval = .milliseconds(500)
            ping.endpoints = [.udp("localhost", port: server.address.port ?? 0)]
            let (report, outcomes) = try await run(ping)
            return (report: report, told: outcomes)
        }
        #expect(report.lost == 1 && report.received == 2, "\(report)")
        #expect(report.address == "\(server.address)" && report.connectError == nil)
    }

    @Test func `TCP and UDP are probed side by side`() async throws {
        let datagrams = try ScriptedDatagramServer { [$1] }
        let stream = try ThreadedEchoServer()
        var ping = ping(datagrams.address)
        ping.endpoints.append(EchoEndpoint(stream.endpoint))
        let report = try await ping.run()
        for endpoint in report.endpoints {
            #expect(endpoint.received == endpoint.sent && endpoint.sent >= 1, "\(endpoint)")
        }
        #expect(report.endpoints.map(\.connections) == [0, 1])
    }

    @Test func `probes of one byte wait for their echo 256 at a time`() async throws {
        let server = try ScriptedDatagramServer { _, _ in [] }
        var ping = ping(server.address, count: nil, timeout: .seconds(60))
        ping.interval = .milliseconds(1)
        ping.size = 1
        let crowded = EchoPing.Outcome.lost(reason: "too many probes have no answer")
        let (report, isEnough) =
            try await ping
            .run(telling: ToldProbes()) { $0.count { $0 == crowded } >= 40 }
        #expect(isEnough && report.received == 0, "\(report)")
        #expect(report.lost >= 40 && report.lost == report.sent - 256, "\(report)")
    }

    @Test func `a size that UDP does not take is refused`() async throws {
        let address = SocketAddress.loopback(port: 9)
        var ping = ping(address)
        ping.size = 65_508
        await #expect {
            try await ping.run()
        } throws: { error in
            let failure = error as? EchoPing.Failure
            return failure?.code == .invalidConfiguration
                && failure?.description
                    == "65508 bytes do not fit a datagram for udp:127.0.0.1:9: 65507 do"
        }
    }

    // Nobody is there, on an address that no other test uses.
    private func closed(host: UInt32) throws -> SocketAddress {
        try DatagramClient(at: .ipv4(0x7F00_0600 + host, port: 0)).address
    }
}
