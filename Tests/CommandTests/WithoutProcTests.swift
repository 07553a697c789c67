import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// `/proc` is not mounted, as below another root folder or in a small container.
@Suite(
    .timeLimit(.minutes(5)),
    .serialized,
    .enabled(if: geteuid() == 0, "only root can mount"),
    .disabled(if: isSanitized, "a sanitizer needs /proc")
)
struct WithoutProcTests {
    private static let wrapper = [
        "/usr/bin/unshare", "--mount", "/bin/sh", "-e", "-c",
        "mount -t tmpfs none /proc; exec \"$0\" \"$@\"",
    ]

    // Swift finds no arguments there: `echo models` used to serve.
    @Test(arguments: [
        ["models"], ["--version"], ["--help"], ["client", "--help"], ["check", "--list"],
        ["serve", "--check-config", "--model", "select"], ["--generate-completion-script", "bash"],
    ])
    func `the arguments are what they are`(_ arguments: [String]) async throws {
        let expected = try await runEcho(arguments)
        let result = try await runEcho(arguments, through: Self.wrapper)
        #expect(result.exit == .code(0))
        #expect(result.errors == "")
        #expect(result.output == expected.output)
    }

    @Test(arguments: [["--bogus"], ["serve", "--workers", "0"], ["client"], ["bogus"]])
    func `mistakes are told as elsewhere`(_ arguments: [String]) async throws {
        let expected = try await runEcho(arguments)
        let result = try await runEcho(arguments, through: Self.wrapper)
        #expect(result.exit == .code(64))
        #expect(result.errors == expected.errors)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `it serves, and drains`(_ model: EchoServer.IOModel) async throws {
        let server = try await RunningServer(model, through: Self.wrapper)
        try await server.expectEcho()
        try await server.expectExit()
    }
}
