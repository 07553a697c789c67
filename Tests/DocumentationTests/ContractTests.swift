import Foundation
import Testing

/// The numbers of statements that comments and tests cite are defined in the contract.
@Suite(.timeLimit(.minutes(5)))
struct ContractTests {
    @Test
    func `Every number cited in sources, tests and documents is defined`() throws {
        let defined = Set(try Self.definitions())
        #expect(defined.count > 100)
        let files =
            Project.files(in: "Sources", ending: ".swift")
            + Project.files(in: "Tests", ending: ".swift")
            + Document.all
        #expect(files.count > 50)
        for file in files {
            for number in try Self.citations(Project.text(file)) where !defined.contains(number) {
                Issue.record("\(file) cites \(number)")
            }
        }
    }

    @Test
    func `Every number is defined once`() throws {
        let definitions = try Self.definitions()
        let twice = Dictionary(grouping: definitions) { $0 }.filter { $0.value.count > 1 }.keys
        #expect(twice.isEmpty)
    }

    @Test
    func `Ranges and lists of numbers are read as what they stand for`() {
        // Put together here, because this file is read as well.
        let text = "(SEL" + "-9..11, PF" + "-1), E" + "-c2, UTF-8, AS" + "-98 to AS" + "-99"
        let expected = [
            "SEL" + "-9", "SEL-10", "SEL-11", "PF-1", "AS" + "-98", "AS" + "-99", "E-c2",
        ]
        #expect(Self.citations(text) == expected)
    }

    private static func definitions() throws -> [String] {
        try Document(Document.contract).text.matches(of: /(?m)^- \*\*([A-Z]+-[0-9a-z]+)\*\* \S/)
            .map { String($0.1) }
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
        return statements + text.matches(of: /\bE-[a-z]\d?\b/).map { String($0.0) }
    }
}
