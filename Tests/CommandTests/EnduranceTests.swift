import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What is left behind by connections that have gone, and what those cost that stay.
@Suite(
    .timeLimit(.minutes(5)),
    .serialized,
    .disabled(if: isSanitized, "a sanitizer's own memory hides that of the program")
)
struct EnduranceTests {
    /// Connect, echo and close, 32 clients at a time.
    static func cycles(_ count: Int, _ server: RunningServer) async throws {
        var load = EchoLoad(connections: count, bytes: 64)
        load.window = 32
        load.deadline = .seconds(60)
        let report = try await load.run(against: server.address)
        #expect(report.isComplete, "\(report)")
    }

    // The full 100,000 with ECHO_CYCLES=100000.
    private static var cycleCount: Int { number("ECHO_CYCLES") ?? 6000 }

    static func number(_ variable: String) -> Int? {
        guard let text = unsafe getenv(variable) else { return nil }
        return unsafe Int(String(cString: text))
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `connections that come and go leave neither descriptors nor memory behind`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model)
        try await Self.cycles(Self.cycleCount / 2, server)
        let settled = await eventually { server.figures.openDescriptorCount < 40 }
        #expect(settled)
        let descriptors = server.figures.openDescriptorCount
        // Threads that a busy machine keeps from ending are more at once than before, and so are
        // their stacks, which stay: that happens in some half. What leaks does so in each.
        var growth = Int.max
        for _ in 0..<4 where growth > 1 << 20 {
            let memory = server.figures.residentBytes
            try await Self.cycles(Self.cycleCount / 2, server)
            let same = await eventually { server.figures.openDescriptorCount <= descriptors }
            #expect(same, "\(server.figures.openDescriptorCount) after \(descriptors)")
            growth = server.figures.residentBytes - memory
        }
        #expect(growth <= 1 << 20, "\(growth) bytes")
        try await server.expectExit()
    }

    @Test
    func `an idle connection of the completion port costs at most 200 bytes`() async {
        // In a process of its own: so many descriptors would put those of other tests out of the
        // reach of `select`.
        await #expect(processExitsWith: .success) {
            raiseDescriptorLimit()
            let count = Self.number("ECHO_IDLE") ?? 8000
            let server = try await RunningServer(.completionPort)
            try await Self.cycles(100, server)
            let before = server.figures.anonymousBytes
            var load = EchoLoad(connections: count, bytes: 64)
            load.staysOpen = true
            load.deadline = .seconds(150)
            let held = try load.start(against: server.address)
            let settled = await held.reaches(within: .seconds(140)) { $0.held == count }
            #expect(settled, "\(held.progress)")
            let each = Double(server.figures.anonymousBytes - before) / Double(count)
            #expect(each <= 200, "\(each) bytes for each of \(count)")
            held.stop()
        }
    }
}
