import EchoServer
import EchoTestSupport
import Foundation
import Testing

/// Compares the command line's reference with what the program says about itself.
@Suite(.timeLimit(.minutes(5)))
struct CommandReferenceTests {
    /// A flag as the program's help has it.
    private struct Flag: Hashable {
        let name: String
        let standard: String?
    }

    @Test(arguments: ["serve", "client", "check", "ping", "bench", "models"])
    func `The reference has every flag, with its default`(_ subcommand: String) async throws {
        let rows = try Document(Document.commandLine).tableRows
        for flag in try await Self.flags(of: subcommand) where flag.name != "--help" {
            // Subcommands may have flags of one name.
            let described = rows.filter { $0.first == "`\(flag.name)`" }
            #expect(!described.isEmpty, "\(flag.name) of \(subcommand) is not described")
            guard let standard = flag.standard else { continue }
            #expect(
                described.joined().contains { $0.replacing("`", with: "") == standard },
                "\(flag.name) has the default \(standard)"
            )
        }
    }

    @Test(arguments: [Document.readme, Document.commandLine])
    func `Tables name no flag that the program does not have`(_ path: String) async throws {
        var known: Set<String> = []
        for subcommand in ["serve", "client", "check", "ping", "bench", "models"] {
            known.formUnion(try await Self.flags(of: subcommand).map(\.name))
        }
        let named = try Document(path).tableRows.compactMap(\.first)
            .filter { $0.hasPrefix("`--") }
            .flatMap { $0.replacing("`", with: "").components(separatedBy: ", ") }
        #expect(named.count > 10)
        for flag in named { #expect(known.contains(flag), "\(flag)") }
    }

    @Test
    func `Every subcommand and every exit code is described`() async throws {
        let readme = try Document(Document.readme)
        let reference = try Document(Document.commandLine)
        let help = try await Self.help([])
        for subcommand in try #require(help.firstMatch(of: /SUBCOMMANDS:\n([\s\S]*?)\n\n/)).1
            .matches(of: /(?m)^  ([a-z]+)/)
        {
            for text in [readme.text, reference.text] {
                #expect(text.contains(try Regex("echo-server \\[?\(subcommand.1)\\]? ")))
            }
        }
        let codes = try #require(help.firstMatch(of: /EXIT CODES:([\s\S]*?)\n\n/)).1
            .matches(of: /\b(\d+) [a-z]/).map { String($0.1) }
        #expect(codes.count >= 5)
        for code in codes { #expect(reference.tableRows.contains { $0.first == code }, "\(code)") }
    }

    @Test(arguments: [Document.readme, Document.models], EchoServer.IOModel.allCases)
    func `A table has every model, with its backend`(
        _ path: String,
        _ model: EchoServer.IOModel
    ) throws {
        let rows = try Document(path).tableRows
        #expect(rows.contains { $0.prefix(2) == ["`\(model.rawValue)`", model.backend.rawValue] })
    }

    @Test(arguments: EchoServer.Backend.allCases)
    func `The README says which model a backend stands for`(_ backend: EchoServer.Backend) throws {
        let row = ["`\(backend.rawValue)`", "`\(backend.defaultModel.rawValue)`"]
        #expect(try Document(Document.readme).tableRows.contains(row))
    }

    @Test
    func `The README's default model is the library's`() throws {
        let model = EchoServer.Configuration().model.rawValue
        #expect(try Document(Document.readme).text.contains("The default is `\(model)`."))
    }

    private static func help(_ arguments: [String]) async throws -> String {
        let process = try RunningProcess(
            BuiltProduct.path(named: "echo"),
            arguments + ["--help"],
            environment: ["COLUMNS": "80"]
        )
        return String(decoding: try await process.result().output, as: UTF8.self) + "\n\n"
    }

    // `  -v, --flag <value>   What it does. (default: value)`, perhaps over several lines.
    private static func flags(of subcommand: String) async throws -> [Flag] {
        let help = try await help([subcommand])
        // Under one title or several.
        let entries = help.matches(of: /(?m)^  -.*(?:\n {10,}.*)*/)
        return entries.compactMap { entry in
            let text = entry.0.replacing(/\s+/, with: " ")
            guard let name = text.firstMatch(of: /--[a-z-]+/) else { return nil }
            let standard = text.firstMatch(of: /\(default: ([^)]*)\)/)
            return Flag(name: String(name.0), standard: standard.map { String($0.1) })
        }
    }
}
