import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import EchoServer

/// One datagram with a forged source, which only root can send (raw(7)), and two echo services
/// (CVE-2024-2169).
@Suite(.timeLimit(.minutes(5)), .enabled(if: geteuid() == 0, "a network needs root"))
struct ForgedDatagramTests {
    private func start(
        _ model: EchoServer.IOModel,
        isGuarded: Bool
    ) throws -> (server: EchoServer, address: SocketAddress) {
        var configuration = EchoServer.Configuration(
            model: model,
            listen: [.udp("127.0.0.1", port: 0)]
        )
        configuration.loopGuard = isGuarded
        let server = try EchoServer(configuration: configuration)
        return (server, try #require(try server.start().first?.address))
    }

    @Test(arguments: EchoServer.IOModel.allCases, [true, false])
    func `a loop with another server ends within a second`(
        _ model: EchoServer.IOModel,
        _ isOtherGuarded: Bool
    ) async throws {
        let (server, address) = try start(model, isGuarded: true)
        let (other, otherAddress) = try start(.select, isGuarded: isOtherGuarded)
        try forge([1, 2, 3], from: otherAddress, to: address)
        // A second by the guard's own clock (DatagramLoopTests); this machine may be held up.
        let ended = await eventually(within: .seconds(5)) {
            server.statistics.datagramsRefusedTotal + other.statistics.datagramsRefusedTotal == 1
        }
        #expect(ended, "\(server.statistics)")
        // Each answer has come and is counted: there is none under way any more.
        let isQuiet = await eventually {
            let (one, two) = (server.statistics, other.statistics)
            return two.datagramsReceived == one.datagramsSent
                && one.datagramsReceived == two.datagramsSent + 1
        }
        let sent = server.statistics.datagramsSent
        #expect(isQuiet && sent > 1)
        await server.shutdown(drainingFor: .zero)
        await other.shutdown(drainingFor: .zero)
        #expect(server.statistics.datagramsSent == sent)
    }

    /// What the guard is for.
    @Test func `without a guard it goes on`() async throws {
        let (server, address) = try start(.completionPort, isGuarded: false)
        let (other, otherAddress) = try start(.select, isGuarded: false)
        try forge([1], from: otherAddress, to: address)
        #expect(await eventually { server.statistics.datagramsSent > 10_000 })
        await other.shutdown(drainingFor: .zero)
        await server.shutdown(drainingFor: .zero)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server does not answer itself`(_ model: EchoServer.IOModel) async throws {
        let (server, address) = try start(model, isGuarded: true)
        try forge([1], from: address, to: address)
        await expectEventually(server, { $0.datagramsRefused[.ownPort] ?? 0 }, is: 1)
        #expect(server.statistics.datagramsSent == 0)
        await server.shutdown(drainingFor: .zero)
    }
}
