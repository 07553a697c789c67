import EchoServer
import EchoTestSupport
import Testing

/// A turn is bounded: a busy connection does not keep the others waiting.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct FairnessTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `rule 5: connections that send without pause do not starve the others`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) { server, address in
            let busy = try EchoLoad(connections: 4, bytes: 1 << 40).start(against: address)
            #expect(await eventually { server.statistics.bytesSent > 1 << 20 })
            let load = EchoLoad(connections: 5, bytes: 5000, behaviour: .lockstep(size: 100))
            let report = try await load.run(against: address)
            #expect(report.isComplete, "\(report)")
            #expect(server.statistics.active >= 4)
            busy.stop()
        }
    }
}
