import ArgumentParser
import EchoTestSupport
import Testing

@testable import echo

/// What `--check-config` prints.
@Suite(.timeLimit(.minutes(5)))
struct CheckConfigTests {
    @Test func `--check-config prints a file that means the same, and exits`() async throws {
        let flags = [
            "--listen", "unix:/tmp/a # b", "--idle-timeout", "90s", "--backend", "libevent",
        ]
        let first = try await runEcho(["serve", "--check-config"] + flags)
        #expect(first.exit == .code(0))
        #expect(first.errors == "")
        let lines = first.output.outputLines
        #expect(lines.count == Setting.all.count)
        #expect(lines.contains { $0.hasPrefix("# model = async-select ") })
        #expect(
            lines.contains { $0.hasPrefix("idle-timeout = 90s ") && $0.hasSuffix("# command line") }
        )
        let file = try TemporaryFile(first.output)
        let second = try await runEcho(["--config", file.path, "--check-config"])
        #expect(second.exit == .code(0))
        #expect(Self.statements(second.output) == Self.statements(first.output))
        #expect(second.output.contains("# \(file.path):1\n"))
    }

    @Test func `what --check-config prints as a default may be given, and is the default`()
        async throws
    {
        let standard = try ServeFlags.parse([])
        for setting in Setting.all {
            let value = setting.standard(standard)
            let serve = try ServeFlags.parse(["--\(setting.key)=\(value)"])
            #expect(setting.values(serve) == [value], "\(setting.key)")
            let given = try "\(serve.options.configuration())"
            #expect(try given == "\(standard.options.configuration())", "\(setting.key)")
            #expect(serve.monitoring.metrics?.value == nil)
        }
    }

    // The lines without their origins.
    private static func statements(_ text: String) -> [Substring] {
        text.outputLines.map { $0.prefix(upTo: $0.lastIndex(of: "#") ?? $0.endIndex) }
            .map { $0.prefix { $0 != "\t" } }.map { line in
                line.prefix(upTo: line.lastIndex { $0 != " " } ?? line.endIndex)
            }
    }
}
