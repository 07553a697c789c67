import EchoSockets
import EchoTestSupport
import Glibc
import Logging
import Synchronization
import Testing

@testable import EchoServer

extension Logger {
    /// A logger that keeps quiet.
    static var silent: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
}

private func peer(_ text: String, _ port: UInt16 = 1) throws -> Peer {
    Peer(address: try #require(SocketAddress(numeric: text, port: port)), userID: nil)
}

private let local = SocketAddress.loopback(port: 7)
private let someone = Peer(address: .loopback(port: 9), userID: nil)

@Suite(.timeLimit(.minutes(5)))
struct AdmissionTests {
    typealias Configuration = EchoServer.Configuration

    @Test func `without limits everybody is accepted`() {
        let admission = Admission(Configuration())
        for _ in 0..<1000 { #expect(admission.decide(someone, local: local) == .accept) }
        #expect(admission.statistics.active == 1000)
        #expect(admission.statistics.accepted == 1000)
        #expect(!admission.tracksPeers)
    }

    @Test func `a full server rejects, until a connection ends`() {
        let admission = Admission(Configuration(maximumConnections: 2))
        #expect(admission.decide(someone, local: local) == .accept)
        #expect(admission.decide(someone, local: local) == .accept)
        #expect(admission.decide(someone, local: local) == .reject(.full))
        admission.leave(someone, cause: .reset)
        #expect(admission.decide(someone, local: local) == .accept)
        #expect(admission.decide(someone, local: local) == .reject(.full))
        let statistics = admission.statistics
        #expect(statistics.active == 2)
        #expect(statistics.accepted == 3)
        #expect(statistics.rejected == [.full: 2])
        #expect(statistics.closed == [.reset: 1])
        #expect(statistics.deferred == 0)
    }

    @Test func `SEL-10: a full server that defers counts each connection once`() {
        let admission = Admission(Configuration(maximumConnections: 1, whenFull: .defer))
        #expect(admission.decide(someone, local: local) == .accept)
        #expect(admission.decide(someone, local: local) == .defer)
        #expect(admission.decide(someone, local: local, again: true) == .defer)
        #expect(admission.decide(someone, local: local, again: true) == .defer)
        #expect(admission.statistics.deferred == 1)
        admission.leave(someone, cause: .peerClosed)
        #expect(admission.decide(someone, local: local, again: true) == .accept)
        #expect(admission.statistics.deferred == 1)
        #expect(admission.statistics.rejectedTotal == 0)
    }

    @Test func `a peer has its own limit, and its own only`() throws {
        let admission = Admission(Configuration(maximumConnectionsPerPeer: 2))
        let (one, other) = (try peer("192.0.2.1"), try peer("192.0.2.2"))
        #expect(admission.decide(one, local: local) == .accept)
        #expect(admission.decide(try peer("::ffff:192.0.2.1", 5), local: local) == .accept)
        #expect(admission.decide(one, local: local) == .reject(.peerLimit))
        #expect(admission.decide(other, local: local) == .accept)
        admission.leave(one, cause: .peerClosed)
        #expect(admission.decide(one, local: local) == .accept)
        #expect(admission.decide(one, local: local) == .reject(.peerLimit))
        #expect(admission.statistics.rejected == [.peerLimit: 2])
        #expect(admission.tracksPeers)
    }

    @Test func `a socket that the model cannot serve is rejected before anything else`() {
        let admission = Admission(
            Configuration(maximumConnections: 1) { _ in
                Issue.record("the accept condition was asked")
                return .accept
            }
        )
        #expect(
            admission.decide(someone, local: local, unservable: true) == .reject(.modelCapacity)
        )
        #expect(admission.statistics.active == 0)
        #expect(admission.statistics.rejected == [.modelCapacity: 1])
    }

    @Test func `a rejection of an admitted connection undoes its admission`() throws {
        let admission = Admission(
            Configuration(maximumConnections: 1, whenFull: .defer, maximumConnectionsPerPeer: 1)
        )
        let signals = Signals()
        #expect(admission.decide(someone, local: local) == .accept)
        #expect(admission.isFull(notifying: signals.retry()))
        admission.rejected(.resources, admitted: someone)
        #expect(signals.count == 1)
        #expect(admission.statistics.active == 0)
        #expect(admission.statistics.accepted == 0)
        #expect(admission.statistics.closedTotal == 0)
        #expect(admission.decide(someone, local: local) == .accept)
        admission.rejected(.resources)
        #expect(admission.statistics.active == 1)
        #expect(admission.statistics.rejected == [.resources: 2])
    }

    @Test func `a signal comes once, when a connection ends, if it was asked for`() throws {
        let admission = Admission(Configuration(maximumConnections: 2, whenFull: .defer))
        let signals = Signals()
        let asking = signals.retry()
        for _ in 0..<2 { #expect(admission.decide(someone, local: local) == .accept) }
        #expect(admission.isFull(notifying: asking))
        #expect(admission.isFull(notifying: asking))
        #expect(signals.count == 0)
        admission.leave(someone, cause: .peerClosed)
        #expect(signals.count == 1)
        #expect(!admission.isFull(notifying: asking))
        admission.leave(someone, cause: .peerClosed)
        #expect(signals.count == 1, "it was not full any more, so nothing was asked for")
        admission.notifyWhenOneEnds(asking)
        #expect(admission.decide(someone, local: local) == .accept)
        #expect(signals.count == 1)
        admission.leave(someone, cause: .peerClosed)
        #expect(signals.count == 2)
    }

    @Test func `a server that rejects when full never leaves connections queued`() throws {
        let admission = Admission(Configuration(maximumConnections: 1))
        #expect(admission.decide(someone, local: local) == .accept)
        #expect(!admission.isFull(notifying: Signals().retry()))
    }

    @Test(arguments: [false, true])
    func `racing threads never exceed a limit`(_ hasCondition: Bool) async throws {
        var configuration = Configuration(maximumConnections: 2, maximumConnectionsPerPeer: 1)
        if hasCondition {
            configuration.admission = { request in
                // Lets the others in between the look at the limits and the decision.
                if request.activeConnections == 1 { sched_yield() }
                return .accept
            }
        }
        let admission = Admission(configuration)
        let peers = (1...2).map { Peer(address: .ipv4($0, port: 1), userID: nil) }
        let counts = (0...2).map { _ in Occupancy() }
        try await withThrowingTaskGroup { group in
            for number in 0..<5 {
                group.addTask {
                    try await onThread {
                        for turn in 0..<10_000 {
                            let index = (turn + number) % 2
                            let verdict = admission.decide(peers[index], local: local)
                            guard verdict == .accept else { continue }
                            counts[2].enter()
                            counts[index].enter()
                            if turn % 8 == 0 { sched_yield() }
                            counts[index].leave()
                            counts[2].leave()
                            let peer = peers[index]
                            let departed = [Admission.Departure(peer: peer, cause: .peerClosed)]
                            guard !admission.leaveIfFree(departed) else { continue }
                            admission.leave(departed)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let statistics = admission.statistics
        #expect(counts[2].most <= 2)
        #expect(counts[0].most <= 1 && counts[1].most <= 1)
        #expect(statistics.active == 0)
        #expect(statistics.accepted + statistics.rejectedTotal == 50_000)
        #expect(statistics.accepted == statistics.closedTotal)
    }
}

/// Counts who is inside, and how many were at most.
private final class Occupancy: Sendable {
    private let inside = Atomic(0)
    private let maximum = Atomic(0)
    var most: Int { maximum.load(ordering: .relaxed) }

    func enter() {
        let count = inside.add(1, ordering: .sequentiallyConsistent).newValue
        maximum.max(count, ordering: .sequentiallyConsistent)
    }

    func leave() {
        inside.subtract(1, ordering: .sequentiallyConsistent)
    }
}
