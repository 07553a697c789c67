import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import EchoServer

@Suite(.timeLimit(.minutes(5)))
struct AcceptSourceTests {
    @Test func `connections are served in the order they came, until none is queued`() async throws
    {
        let probe = try AcceptSourceProbe()
        #expect(probe.step() == .idle)
        let first = try await probe.connectQueued()
        let second = try probe.connect()
        let (one, two) = (try first.bound, try second.bound)
        #expect(probe.step() == .served(one))
        #expect(await probe.step(until: .served(two)))
        #expect(probe.step() == .idle)
        #expect(probe.statistics.accepted == 2)
        #expect(probe.logged == [])
        _ = (first.number, second.number)
    }

    @Test func `SEL-11: a rejected peer is reset, and the next one gets its turn`() async throws {
        let probe = try AcceptSourceProbe(.init(maximumConnections: 1))
        let first = try await probe.connectQueued()
        let one = try first.bound
        #expect(probe.step() == .served(one))
        let second = try await probe.connectQueued()
        #expect(probe.step() == .again)
        #expect(await second.failure == ECONNRESET)
        probe.leave(one)
        let third = try await probe.connectQueued()
        let three = try third.bound
        #expect(probe.step() == .served(three))
        #expect(probe.statistics.rejected == [.full: 1])
    }

    @Test func `PF-1: a socket the model cannot serve is rejected`() async throws {
        let probe = try AcceptSourceProbe(canServe: { _ in false })
        let client = try await probe.connectQueued()
        #expect(probe.step() == .again)
        #expect(probe.statistics.rejected == [.modelCapacity: 1])
        #expect(await client.failure == ECONNRESET)
    }

    @Test func `full and deferring: connections stay queued until one ends`() async throws {
        let probe = try AcceptSourceProbe(.init(maximumConnections: 1, whenFull: .defer))
        let first = try await probe.connectQueued()
        let second = try probe.connect()
        let (one, two) = (try first.bound, try second.bound)
        #expect(probe.step() == .served(one))
        let moment = try #require(probe.step().moment)
        #expect(moment > .now + .seconds(30), "no spinning while full")
        #expect(!probe.isWoken)
        probe.leave(one)
        #expect(probe.isWoken)
        #expect(await probe.step(until: .served(two)))
        #expect(probe.statistics.rejectedTotal == 0)
        _ = (first.number, second.number)
    }

    @Test func `SEL-12: a deferred connection keeps its place before those behind it`() async throws
    {
        let decision = Locked(EchoServer.AdmissionDecision.defer)
        let probe = try AcceptSourceProbe(.init(admission: { _ in decision.withLock { $0 } }))
        let first = try await probe.connectQueued()
        let one = try first.bound
        #expect(probe.step().moment != nil)
        let second = try await probe.connectQueued()
        let two = try second.bound
        for _ in 0..<3 {
            let before = MonotonicTime.now
            let moment = try #require(probe.step().moment)
            let pause = Duration.milliseconds(100)
            #expect(moment >= before + pause && moment <= .now + pause)
        }
        #expect(isReadable(probe.listening.number, within: .zero), "the second is still queued")
        #expect(probe.statistics.deferred == 1)
        decision.withLock { $0 = .accept }
        #expect(probe.step() == .served(one))
        #expect(probe.step() == .served(two))
        #expect(probe.statistics.deferred == 1)
        _ = (first.number, second.number)
    }

    @Test func `a deferred connection asks for a wake-up when one ends`() async throws {
        let decision = Locked(EchoServer.AdmissionDecision.accept)
        let probe = try AcceptSourceProbe(.init(admission: { _ in decision.withLock { $0 } }))
        let first = try await probe.connectQueued()
        let one = try first.bound
        #expect(probe.step() == .served(one))
        decision.withLock { $0 = .defer }
        let second = try await probe.connectQueued()
        #expect(probe.step().moment != nil)
        #expect(!probe.isWoken)
        probe.leave(one)
        #expect(probe.isWoken)
        _ = (first.number, second.number)
    }

    @Test func `SEL-12: a deferred peer that resets is dropped, those behind it go on`()
        async throws
    {
        let refused = Locked<UInt16?>(nil)
        let probe = try AcceptSourceProbe(
            .init(admission: { request in
                refused.withLock { $0 == request.peer.port } ? .defer : .accept
            })
        )
        let first = try probe.connect()
        let port = try first.bound.port
        refused.withLock { $0 = port }
        _ = await eventually { isReadable(probe.listening.number, within: .zero) }
        #expect(probe.step().moment != nil)
        let second = try await probe.connectQueued()
        let two = try second.bound
        first.setResetOnClose()
        _ = consume first
        #expect(await probe.step(until: .again))
        #expect(probe.step() == .served(two))
        #expect(probe.statistics.acceptFailures == 1)
        #expect(probe.statistics.active == 1)
        _ = second.number
    }

    @Test func `a deferred peer that has only half-closed is kept, and served`() async throws {
        let decision = Locked(EchoServer.AdmissionDecision.defer)
        let probe = try AcceptSourceProbe(.init(admission: { _ in decision.withLock { $0 } }))
        let client = try await probe.connectQueued()
        let address = try client.bound
        #expect(probe.step().moment != nil)
        client.shutdown(.sending)
        #expect(probe.step().moment != nil)
        decision.withLock { $0 = .accept }
        #expect(probe.step() == .served(address))
        #expect(probe.statistics.acceptFailures == 0)
    }

    @Test func `a closed listening socket has nothing to accept`() throws {
        let probe = try AcceptSourceProbe()
        probe.source.close()
        #expect(probe.step() == .closed)
        #expect(!probe.listening.isOpen)
        #expect(!probe.source.isOpen)
    }
}

@Suite(.timeLimit(.minutes(5)))
struct AcceptSourceDrainTests {
    @Test func `draining serves what is queued, then closes`() async throws {
        let probe = try AcceptSourceProbe()
        let first = try await probe.connectQueued()
        let one = try first.bound
        #expect(!probe.source.seeksEnd)
        probe.source.drain()
        #expect(probe.source.seeksEnd)
        #expect(probe.step() == .served(one))
        #expect(probe.listening.isOpen)
        #expect(probe.step() == .closed)
        #expect(!probe.listening.isOpen)
        _ = first.number
    }

    @Test func `draining leaves an inherited socket's queue to its next owner`() async throws {
        let probe = try AcceptSourceProbe(inherited: true)
        let client = try await probe.connectQueued()
        probe.source.drain()
        #expect(probe.step() == .closed)
        #expect(!probe.listening.isOpen)
        #expect(probe.statistics.accepted == 0)
        _ = client.number
    }

    @Test(arguments: [false, true])
    func `draining serves what has left the queue`(_ inherited: Bool) async throws {
        let decision = Locked(EchoServer.AdmissionDecision.defer)
        let probe = try AcceptSourceProbe(
            .init(admission: { _ in decision.withLock { $0 } }),
            inherited: inherited
        )
        let client = try await probe.connectQueued()
        let address = try client.bound
        #expect(probe.step().moment != nil)
        probe.source.drain()
        #expect(probe.step().moment != nil)
        #expect(probe.source.isOpen)
        decision.withLock { $0 = .accept }
        #expect(probe.step() == .served(address))
        #expect(probe.step() == .closed)
        _ = client.number
    }
}

@Suite(.timeLimit(.minutes(5)))
struct AcceptSourceEngineTests {
    @Test func `what an engine brings is judged like what is accepted here`() async throws {
        let probe = try AcceptSourceProbe(.init(maximumConnections: 1))
        let first = try await probe.connectQueued()
        let second = try probe.connect()
        let one = try first.bound
        #expect(probe.bring(probe.listening.accept(blocking: false)) == .served(one))
        _ = await eventually { isReadable(probe.listening.number, within: .zero) }
        #expect(probe.bring(probe.listening.accept(blocking: false)) == .again)
        #expect(await second.failure == ECONNRESET)
        #expect(probe.bring(.nothing) == .idle)
        #expect(probe.bring(.lost(Errno(rawValue: ECONNABORTED))) == .again)
        #expect(probe.bring(.exhausted(Errno(rawValue: EMFILE))).moment != nil)
        #expect(probe.source.seeksEnd)
        #expect(probe.bring(.failed(Errno(rawValue: EINVAL))) == .closed)
        #expect(!probe.listening.isOpen)
        #expect(probe.statistics.acceptFailures == 2)
        _ = first.number
    }

    @Test func `what an engine brings while it is full waits for a place`() async throws {
        let probe = try AcceptSourceProbe(.init(maximumConnections: 1, whenFull: .defer))
        let first = try await probe.connectQueued()
        let one = try first.bound
        #expect(probe.step() == .served(one))
        let second = try await probe.connectQueued()
        let two = try second.bound
        #expect(probe.bring(probe.listening.accept(blocking: false)).moment != nil)
        #expect(probe.step().moment != nil)
        probe.leave(one)
        #expect(probe.isWoken)
        #expect(probe.step() == .served(two))
        #expect(probe.statistics.deferred == 0)
        _ = (first.number, second.number)
    }

    @Test(arguments: [false, true])
    func `draining serves what an engine has brought`(_ inherited: Bool) async throws {
        let probe = try AcceptSourceProbe(inherited: inherited)
        let client = try await probe.connectQueued()
        let address = try client.bound
        probe.source.drain()
        #expect(probe.bring(probe.listening.accept(blocking: false)) == .served(address))
        #expect(probe.step() == .closed)
        _ = client.number
    }

    @Test func `what an engine brings after the end is closed`() async throws {
        let probe = try AcceptSourceProbe()
        let client = try await probe.connectQueued()
        let outcome = probe.listening.accept(blocking: false)
        probe.source.close()
        #expect(probe.bring(outcome) == .closed)
        #expect(isReadable(client.number, within: .seconds(5)))
        #expect(probe.statistics.accepted == 0)
    }
}

extension Socket {
    /// The error that ends the connection.
    fileprivate var failure: CInt? {
        get async {
            let number = number
            _ = await eventually { isReadable(number, within: .zero) }
            var byte: UInt8 = 0
            let transfer = unsafe withUnsafeMutableBytes(of: &byte) { unsafe receive(into: $0) }
            guard case .failed(let errno) = transfer else { return nil }
            return errno.rawValue
        }
    }
}
