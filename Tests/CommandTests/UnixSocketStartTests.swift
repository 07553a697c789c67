import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Servers that start and end at one path at the same time.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct UnixSocketStartTests {
    private static let delayedCalls = ["unlink", "bind", "listen"]

    /// Two could succeed, one of them unreachable.
    @Test(arguments: delayedCalls)
    func `of many that start at a stale path one serves, the others are told, 69`(
        _ call: String
    ) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("socket")
        let killed = try await RunningServer(.select, ["--listen", "unix:\(path)"])
        killed.process.send(signal: SIGKILL)
        #expect(try await killed.process.exit() == .signal(SIGKILL))
        let faults = try await delays(of: [call])
        let starters = try start(5, at: path, through: faults.wrapper)
        let isDecided = await eventually(within: .seconds(60)) {
            starters.count { !$0.isRunning } >= 4
        }
        #expect(isDecided)
        let serving = starters.filter { $0.isRunning }
        try #require(serving.count == 1)
        for loser in starters where loser !== serving[0] {
            let result = try await loser.result()
            #expect(result.exit == .code(69))
            let reason = "Address already in use"
            #expect(result.errors == "echo: cannot listen on unix:\(path): \(reason)\n")
        }
        _ = try await serving[0].line { $0 == "listening on unix:\(path)" }
        let report = try await EchoLoad(connections: 3, bytes: 5000).run(against: .unix(path))
        #expect(report.isComplete, "\(report)")
        serving[0].send(signal: SIGTERM)
        #expect(try await serving[0].exit() == .code(0))
        // Neither the socket nor a lock is left.
        #expect(!folder.contains("socket") && !folder.contains("socket.lock"))
        withExtendedLifetime(faults) {}
    }

    @Test func `who ends does not remove the file of who starts`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("socket")
        let faults = try await delays(of: ["unlink"])
        for _ in 0..<3 {
            let first = try start(1, at: path, through: faults.wrapper)[0]
            _ = try await first.line { $0.hasPrefix("listening on ") }
            first.send(signal: SIGTERM)
            // One of them finds the path free.
            var second: RunningServer?
            let isServing = await eventually(within: .seconds(60)) {
                second = try? await RunningServer(.select, ["--listen", "unix:\(path)"])
                return second != nil
            }
            try #require(isServing)
            #expect(try await first.exit() == .code(0))
            try await second?.expectEcho()
            try await second?.expectExit()
        }
        withExtendedLifetime(faults) {}
    }

    @Test func `the metrics' path is as safe`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("metrics")
        let flags = ["--listen", "127.0.0.1:0", "--metrics", "unix:\(path)"]
        let killed = try await RunningServer(flags)
        killed.process.send(signal: SIGKILL)
        #expect(try await killed.process.exit() == .signal(SIGKILL))
        let faults = try await delays(of: Self.delayedCalls)
        let starters = try start(3, flags, through: faults.wrapper)
        let isDecided = await eventually(within: .seconds(60)) {
            starters.count { !$0.isRunning } >= 2
        }
        #expect(isDecided)
        #expect(starters.count { $0.isRunning } == 1)
        for loser in starters where !loser.isRunning {
            #expect(try await loser.exit() == .code(69))
        }
        withExtendedLifetime(faults) {}
    }

    private func delays(of calls: [String]) async throws -> InjectedFaults {
        try await InjectedFaults(
            calls.map { InjectedFaults.Rule($0, lateBy: 400) },
            fromStart: true
        )
    }

    private func start(
        _ count: Int,
        at path: String,
        through wrapper: [String]
    ) throws -> [RunningProcess] {
        let flags = ["--model", "select", "--listen", "unix:\(path)"]
        return try start(count, flags, through: wrapper)
    }

    private func start(
        _ count: Int,
        _ flags: [String],
        through wrapper: [String]
    ) throws -> [RunningProcess] {
        let command = wrapper + [try BuiltProduct.path(named: "echo")] + flags
        return try (0..<count).map { _ in
            try RunningProcess(command[0], Array(command.dropFirst()))
        }
    }
}
