import EchoServer
import Glibc
import Sockets
import TestSupport
import Testing

/// In a network of its own, whose addresses can be changed.
@Suite(
    .timeLimit(.minutes(5)),
    .serialized,
    .enabled(if: geteuid() == 0 && isExecutable("/usr/bin/unshare") && ipCommand != nil)
)
struct AddressChangeTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `an address change is logged while it listens on all addresses`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(
            model,
            ["--listen", "0.0.0.0:0"],
            through: ["/usr/bin/unshare", "--net"]
        )
        try await addAddress(to: server)
        let line = try await server.process.line(from: .standardError) { $0.contains("addresses") }
        #expect(line.hasSuffix("info: the addresses of this host have changed"))
        try await server.expectExit()
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `it is of no interest to one that listens on one address`(
        _ model: EchoServer.IOModel
    ) async throws {
        let server = try await RunningServer(model, through: ["/usr/bin/unshare", "--net"])
        try await addAddress(to: server)
        try await server.expectExit()
        #expect(!server.process.text(of: .standardError).contains("addresses"))
    }

    private func addAddress(to server: RunningServer) async throws {
        let command = try #require(ipCommand)
        let enter = ["--net", "--target", "\(server.process.pid)", command]
        let change = try RunningProcess(
            "/usr/bin/nsenter",
            enter + ["address", "add", "127.77.77.77/32", "dev", "lo"]
        )
        #expect(try await change.result().exit == .code(0))
    }
}

private let ipCommand = ["/sbin/ip", "/usr/sbin/ip", "/bin/ip", "/usr/bin/ip"].first(
    where: isExecutable
)

private func isExecutable(_ path: String) -> Bool {
    unsafe access(path, X_OK) == 0
}
