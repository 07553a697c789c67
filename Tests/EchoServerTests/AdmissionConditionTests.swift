import EchoSockets
import Synchronization
import Testing

@testable import EchoServer

@Suite(.timeLimit(.minutes(5)))
struct AdmissionConditionTests {
    private typealias Configuration = EchoServer.Configuration
    private static let local = SocketAddress.loopback(port: 7)
    private static let someone = Peer(address: .loopback(port: 9), userID: nil)

    @Test func `SEL-9: the accept condition sees both ends and the counts, after the limits`() {
        let asked = Locked<[String]>([])
        let configuration = Configuration(maximumConnections: 3) { request in
            asked.withLock {
                $0.append(
                    "\(request.peer) \(request.local) \(request.activeConnections)"
                        + " \(request.activeConnectionsOfPeer)"
                )
            }
            return .accept
        }
        let admission = Admission(configuration)
        let other = Peer(address: .ipv4(0xC000_0201, port: 8), userID: nil)
        for peer in [Self.someone, other, Self.someone, Self.someone] {
            _ = admission.decide(peer, local: Self.local)
        }
        #expect(
            asked.withLock { $0 } == [
                "127.0.0.1:9 127.0.0.1:7 0 0", "192.0.2.1:8 127.0.0.1:7 1 0",
                "127.0.0.1:9 127.0.0.1:7 2 1",
            ]
        )
        #expect(admission.statistics.rejected == [.full: 1])
    }

    @Test(arguments: [
        (EchoServer.AdmissionDecision.accept, Admission.Verdict.accept),
        (.reject, .reject(.condition)), (.defer, .defer),
    ])
    func `SEL-10: what the accept condition decides becomes of the connection`(
        _ decision: EchoServer.AdmissionDecision,
        _ verdict: Admission.Verdict
    ) {
        let admission = Admission(Configuration { _ in decision })
        #expect(admission.decide(Self.someone, local: Self.local) == verdict)
        #expect(admission.decide(Self.someone, local: Self.local, again: true) == verdict)
        let statistics = admission.statistics
        #expect(statistics.active == (decision == .accept ? 2 : 0))
        #expect(statistics.rejected == (decision == .reject ? [.condition: 2] : [:]))
        #expect(statistics.deferred == (decision == .defer ? 1 : 0))
    }

    @Test func `the accept condition may use the server, and lose its place to another meanwhile`()
    {
        let holder = Locked<Admission?>(nil)
        let depth = Atomic(0)
        let configuration = Configuration(maximumConnections: 1) { _ in
            guard depth.add(1, ordering: .relaxed).oldValue == 0 else { return .accept }
            let admission = holder.withLock { $0 }
            #expect(admission?.decide(Self.someone, local: Self.local) == .accept)
            #expect(admission?.statistics.active == 1)
            return .accept
        }
        let admission = Admission(configuration)
        holder.withLock { $0 = admission }
        defer { holder.withLock { $0 = nil } }
        #expect(admission.decide(Self.someone, local: Self.local) == .reject(.full))
        #expect(admission.statistics.active == 1)
        #expect(admission.statistics.rejected == [.full: 1])
    }

    @Test(arguments: [
        ("192.0.2.1", PeerGroup.ipv4(0xC000_0201)),
        ("::ffff:192.0.2.1", .ipv4(0xC000_0201)),
        ("::192.0.2.1", .ipv6(0)),
        ("::1", .ipv6(0)),
        ("2001:db8:1:2::1", .ipv6(0x2001_0db8_0001_0002)),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", .ipv6(0x2001_0db8_0001_0002)),
        ("2001:db8:1:3::1", .ipv6(0x2001_0db8_0001_0003)),
        ("2001:db8::ffff:c000:201", .ipv6(0x2001_0db8_0000_0000)),
    ])
    func `a peer counts with its IPv4 address, or its /64 of IPv6`(
        _ text: String,
        _ group: PeerGroup
    ) throws {
        for port: UInt16 in [1, 65535] {
            let address = try #require(SocketAddress(numeric: text, port: port))
            #expect(Peer(address: address, userID: nil).group == group)
        }
    }

    @Test func `a peer of a Unix socket counts with its user`() {
        #expect(Peer(address: .unix(""), userID: 1000).group == .user(1000))
        #expect(Peer(address: .unix("/a"), userID: 1000).group == .user(1000))
        #expect(Peer(address: .unix(""), userID: 0).group == .user(0))
        #expect(Peer(address: .unix(""), userID: nil).group == .user(.max))
    }
}
