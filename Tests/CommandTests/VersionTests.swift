import EchoServer
import EchoTestSupport
import Testing

/// Which version it is can be asked, and is seen wherever a running server is looked at.
@Suite(.timeLimit(.minutes(5)))
struct VersionTests {
    @Test func `it is a version as semver.org has it`() {
        #expect(EchoServer.version.wholeMatch(of: /\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?/) != nil)
    }

    @Test(arguments: [[], ["serve"], ["client"], ["check"], ["models"]])
    func `every command prints it when it is asked`(_ subcommand: [String]) async throws {
        let result = try await runEcho(subcommand + ["--version"])
        #expect(result.exit == .code(0))
        #expect(result.output == "echo \(EchoServer.version)\n")
        #expect(result.errors == "")
    }
}
