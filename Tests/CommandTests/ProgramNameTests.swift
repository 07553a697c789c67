import EchoTestSupport
import Glibc
import Testing

/// Installed, the program is called `echo-server`, and calls itself so.
@Suite(.timeLimit(.minutes(5)))
struct ProgramNameTests {
    private static func run(
        as name: String,
        _ arguments: [String]
    ) async throws -> (output: String, errors: String) {
        let folder = try TemporaryFolder()
        let program = folder.path(name)
        #expect(unsafe symlink(try BuiltProduct.path(named: "echo"), program) == 0)
        let result = try await RunningProcess(program, arguments).result()
        return (String(decoding: result.output, as: UTF8.self), result.errors)
    }

    @Test(arguments: [("echo", "echo"), ("echo-server", "echo-server"), ("probe", "echo")])
    func `usage and messages have the name it was started by`(
        _ name: String,
        _ expected: String
    ) async throws {
        let help = try await Self.run(as: name, ["--help"])
        #expect(help.output.contains("USAGE: \(expected) [serve] [<options>]"), "\(help.output)")
        #expect(help.output.contains("\n  \(expected) client 127.0.0.1:5150 "))
        let wrong = try await Self.run(as: name, ["serve", "--bogus"])
        #expect(wrong.errors.hasPrefix("\(expected): "), "\(wrong.errors)")
        let odd = try await Self.run(as: name, ["--listen", "a\nb\u{1B}[2J:1"])
        #expect(odd.errors.contains("'a\\nb\\u{1B}[2J:1'"), "\(odd.errors)")
        #expect(odd.errors.split(whereSeparator: \.isNewline).count == 1)
    }

    @Test(arguments: [
        ("bash", "complete -o filenames -F _echo-server_with_whole_words echo-server"),
        ("zsh", "#compdef echo-server"), ("fish", "complete -c 'echo-server'"),
    ])
    func `scripts for completion are for that name, and offer the models`(
        _ shell: String,
        _ line: String
    ) async throws {
        let script = try await Self.run(as: "echo-server", ["--generate-completion-script", shell])
        #expect(script.output.contains(line), "\(script.output)")
        #expect(script.output.contains("overlapped-routine"))
        #expect(!script.output.contains("_echo_"))
    }
}
