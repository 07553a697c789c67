import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Which streams bypass user space (`--splice`), as strace sees it.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct SpliceTests {
    private static let splicing: Set<EchoServer.IOModel> = [.select, .asyncSelect, .eventSelect]

    @Test(arguments: EchoServer.IOModel.allCases)
    func `large streams do with the models on libevent`(_ model: EchoServer.IOModel) async throws {
        let calls = try await splices(model, []) { try await Self.stream(to: $0) }
        #expect((calls > 0) == Self.splicing.contains(model), "\(calls)")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `small messages never do`(_ model: EchoServer.IOModel) async throws {
        let calls = try await splices(model, []) { address in
            for size in [64, 16 << 10] {
                let behaviour = EchoLoad.Behaviour.lockstep(size: size)
                let load = EchoLoad(connections: 8, bytes: 200 * size, behaviour: behaviour)
                let report = try await load.run(against: address)
                #expect(report.isComplete, "\(report)")
            }
        }
        #expect(calls == 0)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `with --splice never, none do`(_ model: EchoServer.IOModel) async throws {
        let never = ["--splice", "never"]
        #expect(try await splices(model, never) { try await Self.stream(to: $0) } == 0)
    }

    private static func stream(to address: SocketAddress) async throws {
        var load = EchoLoad(connections: 8, bytes: 8 << 20)
        load.chunk = 64 << 10
        let report = try await load.run(against: address)
        #expect(report.isComplete, "\(report)")
    }

    // The calls of splice(2) that a load causes.
    private func splices(
        _ model: EchoServer.IOModel,
        _ flags: [String],
        _ load: (SocketAddress) async throws -> Void
    ) async throws -> Int {
        let folder = try TemporaryFolder()
        let trace = [
            "/usr/bin/strace", "-f", "-qq", "-o", folder.path("calls"), "-e", "trace=splice",
        ]
        let server = try await RunningServer(model, flags, through: trace)
        try await load(server.address)
        let children = "/proc/\(server.process.pid)/task/\(server.process.pid)/children"
        let text = String(decoding: readFile(children), as: UTF8.self)
        let child = try #require(text.split(separator: " ").first.flatMap { pid_t(String($0)) })
        #expect(kill(child, SIGTERM) == 0)
        #expect(try await server.process.exit() == .code(0))
        return String(decoding: readFile(folder.path("calls")), as: UTF8.self).outputLines
            .count { $0.contains("splice(") }
    }
}
