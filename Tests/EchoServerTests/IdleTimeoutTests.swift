import EchoServer
import Sockets
import TestSupport
import Testing

/// The idle timeout: time without progress in either direction.
@Suite(.timeLimit(.minutes(1)), .serialized)
struct IdleTimeoutTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a connection on which nothing moves is ended in good order`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.idleTimeout = .milliseconds(300)
        } _: { server, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            #expect(try await client.exchange([1]) == [1])
            let start = MonotonicTime.now
            let (bytes, end) = try await client.receiveToEnd()
            let span = MonotonicTime.now - start
            #expect(bytes == [])
            #expect(end == .finished)
            #expect(span > .milliseconds(200) && span < .seconds(3), "\(span)")
            client.close()
            await expectEventually(server, { $0.closed }, is: [.idleTimeout: 1])
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
        try await withServer(model) {
            $0.idleTimeout = .milliseconds(500)
        } _: { server, address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            for number in UInt8(0)..<15 {
                #expect(try await client.exchange([number]) == [number])
                #expect(try await client.isSilent(for: .milliseconds(100)))
            }
            #expect(server.statistics.active == 1)
            #expect(server.statistics.closed == [:])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a peer that only reads what it is owed makes progress`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.idleTimeout = .milliseconds(400)
            $0.pendingLimit = 64 << 20
        } _: { server, address in
            // All is sent at once and then, for much longer than the timeout, only read.
            let slowly = EchoLoad.Behaviour.slowReader(bytes: 64 << 10, every: .milliseconds(6))
            let report = try await EchoLoad(connections: 1, bytes: 20 << 20, behaviour: slowly)
                .run(against: address)
            #expect(report.isComplete, "\(report)")
            await expectEventually(server, { $0.closed }, is: [.peerClosed: 1])
        }
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
