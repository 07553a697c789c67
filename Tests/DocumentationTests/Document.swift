import Foundation
import Testing

/// The project's files, as they lie beside the tests' sources.
enum Project {
    /// The folder that holds the package.
    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The text of a file.
    static func text(_ path: String) throws -> String {
        try String(contentsOf: folder.appending(path: path), encoding: .utf8)
    }

    /// Whether there is such a file or folder.
    static func has(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: folder.appending(path: path).path())
    }

    /// The files of a folder and of those in it that end so, by path from the package's folder.
    static func files(in path: String, ending: String) -> [String] {
        let names = FileManager.default.enumerator(atPath: folder.appending(path: path).path())
        return (names?.compactMap { $0 as? String } ?? [])
            .filter { $0.hasSuffix(ending) }.sorted().map { "\(path)/\($0)" }
    }
}

/// A text in Markdown.
struct Document: Sendable, CustomTestStringConvertible {
    /// A block of code between fences.
    struct Block: Sendable, CustomTestStringConvertible {
        let document: String
        let line: Int
        let language: String
        let lines: [String]

        var testDescription: String { "\(document), line \(line)" }
    }

    static let readme = "README.md"
    static let commandLine = "Sources/EchoServer/EchoServer.docc/CommandLine.md"
    static let contributing = "CONTRIBUTING.md"
    static let models = "Sources/EchoServer/EchoServer.docc/Models.md"

    /// All documents of the project.
    static var all: [String] {
        [readme, contributing, "CHANGELOG.md", "SECURITY.md"]
            + Project.files(in: "Sources", ending: ".md")
    }

    let path: String
    let text: String

    init(_ path: String) throws {
        self.path = path
        text = try Project.text(path)
    }

    var testDescription: String { path }

    /// The lines of tables, each as its cells.
    var tableRows: [[String]] {
        text.split(separator: "\n").filter { $0.hasPrefix("|") }.map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// Its blocks in one language.
    func blocks(in language: String) -> [Block] {
        var blocks: [Block] = []
        var open: (line: Int, language: String, lines: [String])?
        for (index, line) in text.components(separatedBy: "\n").enumerated() {
            guard line.hasPrefix("```") else {
                open?.lines.append(line)
                continue
            }
            if let block = open {
                blocks.append(
                    Block(
                        document: path,
                        line: block.line,
                        language: block.language,
                        lines: block.lines
                    )
                )
                open = nil
            } else {
                open = (index + 1, String(line.dropFirst(3)), [])
            }
        }
        return blocks.filter { $0.language == language }
    }

    /// The blocks of all documents in one language.
    static func blocks(in language: String) throws -> [Block] {
        try all.flatMap { try Document($0).blocks(in: language) }
    }
}
