import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import EchoServer

@Suite(.timeLimit(.minutes(5)))
struct AcceptSourceShortageTests {
    private static let noDescriptors = Errno(rawValue: EMFILE)
    private static let lacking = """
        warning: cannot accept connections for now; the established ones are served
        """
    private static let again = "notice: accepting connections again"

    @Test func `PF-3: pauses double from 50 ms to a second, and one line is logged`() throws {
        let probe = try AcceptSourceProbe()
        for pause in [50, 100, 200, 400, 800, 1000, 1000, 1000] {
            let before = MonotonicTime.now
            let moment = probe.source.ranShort(Self.noDescriptors)
            #expect(moment >= before + .milliseconds(pause))
            #expect(moment <= MonotonicTime.now + .milliseconds(pause))
        }
        #expect(probe.logged == [Self.lacking])
        #expect(probe.lastLogged("endpoint") == "\(probe.listening.address)")
        #expect(probe.lastLogged("error") == "Too many open files")
        #expect(probe.statistics.acceptFailures == 8)
    }

    @Test func `PF-3: an episode ends when the queue is empty, not with a success`() async throws {
        let probe = try AcceptSourceProbe()
        _ = probe.source.ranShort(Self.noDescriptors)
        let client = try await probe.connectQueued()
        let address = try client.bound
        #expect(probe.step() == .served(address))
        _ = probe.source.ranShort(Self.noDescriptors)
        #expect(probe.logged == [Self.lacking])
        #expect(probe.step() == .idle)
        #expect(probe.logged == [Self.lacking, Self.again])
        #expect(probe.lastLogged("failures") == "2")
        #expect(probe.step() == .idle)
        #expect(probe.logged.count == 2)
        let before = MonotonicTime.now
        let moment = probe.source.ranShort(Self.noDescriptors)
        #expect(moment <= .now + .milliseconds(50) && moment >= before + .milliseconds(50))
        #expect(probe.logged == [Self.lacking, Self.again], "not again so soon")
    }

    @Test func `a connection that is taken back keeps its place, and is not counted`() async throws
    {
        let probe = try AcceptSourceProbe(.init(maximumConnections: 1, whenFull: .defer))
        let first = try await probe.connectQueued()
        let second = try probe.connect()
        let (one, two) = (try first.bound, try second.bound)
        for _ in 0..<3 {
            let before = MonotonicTime.now
            let moment = try #require(probe.stepAndGiveBack(Errno(rawValue: EAGAIN)))
            #expect(moment >= before + .milliseconds(50) && moment <= .now + .seconds(1))
            #expect(probe.statistics.accepted == 0)
            #expect(probe.statistics.active == 0)
            #expect(probe.statistics.rejected == [:])
        }
        #expect(probe.logged == [Self.lacking])
        #expect(probe.step() == .served(one))
        probe.leave(one)
        #expect(await probe.step(until: .served(two)))
        #expect(probe.statistics.accepted == 2)
        _ = (first.number, second.number)
    }

    @Test func `PF-3: a connection that ends cuts the pause short`() throws {
        let probe = try AcceptSourceProbe()
        let peer = Peer(address: .loopback(port: 9), userID: nil)
        #expect(probe.context.admission.decide(peer, local: .loopback(port: 7)) == .accept)
        _ = probe.source.ranShort(Self.noDescriptors)
        #expect(!probe.isWoken)
        probe.leave(peer.address)
        #expect(probe.isWoken)
    }

    // In a process of its own: the limit would hit the other tests.
    @Test func `PF-3, SEL-14: without descriptors the queue is left as it is, and served later`()
        async
    {
        await #expect(processExitsWith: .success) {
            let probe = try AcceptSourceProbe()
            let first = try await probe.connectQueued()
            let second = try await probe.connectQueued()
            let (one, two) = (try first.bound, try second.bound)
            try setDescriptorLimit(0)
            #expect(probe.step().moment != nil)
            #expect(probe.step().moment != nil)
            try setDescriptorLimit(256)
            #expect(probe.logged == [Self.lacking])
            #expect(probe.step() == .served(one))
            #expect(await probe.step(until: .served(two)))
            #expect(probe.step() == .idle)
            #expect(probe.logged == [Self.lacking, Self.again])
            #expect(probe.statistics.acceptFailures == 2)
            _ = (first.number, second.number)
        }
    }
}

private func setDescriptorLimit(_ count: rlim_t) throws {
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    try systemCall("getrlimit") { unsafe getrlimit(resource, &limit) }
    limit.rlim_cur = count
    try systemCall("setrlimit") { unsafe setrlimit(resource, &limit) }
}
