import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

@testable import echo

/// What the program prints fits the terminal, whatever its width.
@Suite(.timeLimit(.minutes(5)))
struct ScreenTests {
    static let screens = [
        ["--help"], ["serve", "--help"], ["client", "--help"], ["check", "--help"],
        ["ping", "--help"], ["bench", "--help"],
        ["models", "--help"], ["models"], ["check", "--list"],
    ]

    /// Runs it at a terminal of a width, by the name that is longest.
    ///
    /// - Parameters:
    ///   - arguments: what to run it with.
    ///   - columns: of the terminal; `nil` for none.
    ///   - environment: variables to add.
    /// - Returns: how it ended, and the lines that it wrote.
    /// - Throws: why it did not run.
    static func show(
        _ arguments: [String],
        columns: Int?,
        environment: [String: String] = [:]
    ) async throws -> (exit: RunningProcess.Exit, lines: [String]) {
        let folder = try TemporaryFolder()
        let program = folder.path("echo-server")
        let linking = try RunningProcess(
            "/bin/ln",
            ["-s", try BuiltProduct.path(named: "echo"), program]
        )
        #expect(try await linking.exit() == .code(0))
        let process: RunningProcess
        if let columns {
            // stty(1) sets the width of the terminal that is its input.
            let script = "stty cols \(columns); exec \"$0\" \"$@\""
            process = try RunningProcess(
                "/bin/sh",
                ["-c", script, program] + arguments,
                environment: environment,
                input: .terminal
            )
        } else {
            process = try RunningProcess(program, arguments, environment: environment)
        }
        let result = try await process.result()
        let lines = String(decoding: result.output, as: UTF8.self)
            .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        return (result.exit, lines.map(String.init))
    }

    @Test(arguments: screens)
    func `a screen fits 80 columns, and uses more`(_ arguments: [String]) async throws {
        for columns in [80, 132, 200] {
            let screen = try await Self.show(arguments, columns: columns)
            #expect(screen.exit == .code(0))
            let widest = screen.lines.map(\.count).max() ?? 0
            #expect(widest <= columns, "\(screen.lines.filter { $0.count > columns })")
            if columns > 80, arguments != ["models", "--help"] { #expect(widest > 80) }
        }
    }

    @Test(arguments: screens)
    func `a file or a pipe has 80 columns, or as many as COLUMNS says`(
        _ arguments: [String]
    ) async throws {
        let plain = try await Self.show(arguments, columns: nil, environment: ["COLUMNS": ""])
        let terminal = try await Self.show(arguments, columns: 80)
        #expect(plain.lines == terminal.lines)
        for columns in ["nonsense", "-1", "0"] {
            let odd = try await Self.show(
                arguments,
                columns: nil,
                environment: ["COLUMNS": columns]
            )
            #expect(odd.lines == plain.lines)
        }
        let wide = try await Self.show(arguments, columns: nil, environment: ["COLUMNS": "200"])
        #expect(try await Self.show(arguments, columns: 200).lines == wide.lines)
    }

    @Test(arguments: screens)
    func `a narrow terminal loses no word`(_ arguments: [String]) async throws {
        func words(_ lines: [String]) -> [Substring] {
            lines.flatMap { $0.split(separator: " ") }.sorted()
        }
        let normal = try await Self.show(arguments, columns: 80)
        for columns in [40, 20, 1] {
            let narrow = try await Self.show(arguments, columns: columns)
            #expect(narrow.exit == .code(0))
            #expect(words(narrow.lines) == words(normal.lines), "\(columns) columns")
        }
    }

    @Test(arguments: [80, 60, 40])
    func `an example stands on one line`(_ columns: Int) async throws {
        for (arguments, count) in [
            (["--help"], 10), (["check", "--help"], 6), (["ping", "--help"], 5),
        ] {
            let lines = try await Self.show(arguments, columns: columns).lines
            let start = try #require(lines.firstIndex { $0.hasPrefix("EXAMPLES") }) + 1
            let examples = lines[start...].prefix { $0.hasPrefix("  ") }
            #expect(examples.count == count, "\(examples)")
            for example in examples { #expect(example.hasPrefix("  echo-server")) }
        }
    }

    @Test func `models and checks stand at the beginning of a line`() async throws {
        for columns in [80, 200] {
            let lines = try await Self.show(["models"], columns: columns).lines
            for model in EchoServer.IOModel.allCases {
                let row = lines.first { $0.hasPrefix(model.rawValue + " ") }
                #expect(row?.contains(" \(model.backend.rawValue) ") == true)
            }
        }
    }

    static let colours: [(environment: [String: String], shown: Bool)] = [
        (["TERM": "xterm-256color", "NO_COLOR": ""], true),
        (["TERM": "xterm-256color", "NO_COLOR": "1"], false),
        (["TERM": "dumb", "NO_COLOR": ""], false),
        (["TERM": "", "NO_COLOR": ""], false),
    ]

    @Test func `passed and failed have colours at a terminal that shows them`() async throws {
        let server = try ThreadedEchoServer(.corrupts(at: 1000))
        let arguments = ["check", "--only", "one-byte", "--only", "sizes", "\(server.address)"]
        for (environment, shown) in Self.colours {
            let screen = try await Self.show(arguments, columns: 80, environment: environment)
            #expect(screen.exit == .code(1))
            let text = screen.lines.joined(separator: "\n")
            #expect(text.contains("\u{1B}") == shown, "\(environment)")
            if shown {
                #expect(text.contains("\u{1B}[32mpassed\u{1B}[0m  one-byte "))
                #expect(text.contains("\u{1B}[31mFAILED\u{1B}[0m  sizes "))
                #expect(text.contains("\u{1B}[31m1 failed\u{1B}[0m"))
            }
            let plain = screen.lines.map { $0.replacing(/\x1B\[\d+m/, with: "") }
            #expect(plain.allSatisfy { $0.count <= 80 }, "\(plain)")
        }
        let piped = try await Self.show(
            arguments,
            columns: nil,
            environment: ["TERM": "xterm-256color", "COLUMNS": "80"]
        )
        #expect(!piped.lines.joined().contains("\u{1B}"))
        let failed = try #require(piped.lines.first { $0.hasPrefix("FAILED  sizes ") })
        #expect(failed.hasSuffix(" at offset 1000"), "a row is one line: \(piped.lines)")
    }
}
