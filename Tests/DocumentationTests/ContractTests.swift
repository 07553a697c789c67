import Foundation
import Testing

/// The statements that comments and tests cite by number are defined once, on one of three pages.
@Suite(.timeLimit(.minutes(5)))
struct ContractTests {
    private static let pages = [
        "Sources/EchoServer/EchoServer.docc/Contract.md",
        "Sources/EchoServer/EchoServer.docc/Pitfalls.md",
        "Sources/EchoWinsock/EchoWinsock.docc/Promises.md",
    ]

    private static let code =
        Project.files(in: "Sources", ending: ".swift")
        + Project.files(in: "Tests", ending: ".swift")

    @Test
    func `Every number cited in sources, tests and documents is defined`() throws {
        let defined = Set(try Self.statements().map(\.number))
        #expect(defined.count > 100)
        #expect(Self.code.count > 50)
        for file in Self.code + Document.all {
            for number in try Self.citations(Project.text(file)) where !defined.contains(number) {
                Issue.record("\(file) cites \(number)")
            }
        }
    }

    @Test
    func `Every number is defined once, and nowhere but on these pages`() throws {
        let numbers = try Self.statements().map(\.number)
        let twice = Dictionary(grouping: numbers) { $0 }.filter { $0.value.count > 1 }.keys
        #expect(twice.isEmpty)
        for path in Document.all where !Self.pages.contains(path) {
            #expect(Self.statements(of: try Project.text(path)).isEmpty, "\(path)")
        }
    }

    @Test
    func `Code or a test cites every statement; of experiments, another statement may`() throws {
        let statements = try Self.statements()
        var cited = Set(try Self.code.flatMap { Self.citations(try Project.text($0)) })
        cited.formUnion(
            statements.flatMap { Self.citations($0.text) }.filter { $0.hasPrefix("E" + "-") }
        )
        for statement in statements where !cited.contains(statement.number) {
            Issue.record("nothing cites \(statement.number)")
        }
    }

    @Test
    func `The errors that the engines' pages name have their Winsock values`() throws {
        let rows = try Document("Sources/EchoWinsock/EchoWinsock.docc/Promises.md").tableRows
        let known = Set(rows.compactMap(\.first))
        #expect(known.count > 10)
        for path in Project.files(in: "Sources", ending: ".md")
        where path.contains("EchoReactor") || path.contains("EchoProactor") {
            for error in try Project.text(path).matches(of: /`(E[A-Z]{3,})`/)
            where error.1 != "EBUSY" {
                #expect(known.contains("`\(error.1)`"), "\(path): \(error.1)")
            }
        }
    }

    @Test
    func `Ranges and lists of numbers are read as what they stand for`() {
        // Put together here, because this file is read as well.
        let text =
            "(SEL" + "-9..11, PF" + "-1), E" + "-c2, UTF-8, AS" + "-98 to AS" + "-99, rule" + " 3"
        let expected = [
            "SEL" + "-9", "SEL-10", "SEL-11", "PF-1", "AS" + "-98", "AS" + "-99", "E-c2", "rule 3",
        ]
        #expect(Self.citations(text) == expected)
    }

    private static func statements() throws -> [(number: String, text: String)] {
        try pages.flatMap { statements(of: try Project.text($0)) }
    }

    // A statement is an item of a list that begins with its number.
    private static func statements(of text: String) -> [(number: String, text: String)] {
        let item = /(?m)^- \*\*([A-Z]+-[0-9a-z]+|rule \d+)\*\* (\S.*(?:\n  \S.*)*)/
        return text.matches(of: item).map { (String($0.1), String($0.2)) }
    }

    private static func citations(_ text: String) -> [String] {
        let numbered = text.matches(
            of: /\b(AS|ES|OV|CR|CP|PR|SEL|CO|N|PF|SB)-(\d+)(?:\.\.(\d+))?\b/
        )
        let statements = numbered.flatMap { match -> [String] in
            guard let first = Int(match.2) else { return [] }
            let last = match.3.flatMap { Int($0) } ?? first
            return (first...max(first, last)).map { "\(match.1)-\($0)" }
        }
        return statements + text.matches(of: /\bE-[a-z]\d?\b|\brule \d+\b/).map { String($0.0) }
    }
}
