import Foundation
import Testing

/// What the threat model names exists.
@Suite(.timeLimit(.minutes(5)))
struct ThreatModelTests {
    private static let path = "Sources/EchoServer/EchoServer.docc/ThreatModel.md"

    @Test
    func `Every test that the threat model names is there`() throws {
        let text = try Document(Self.path).text.replacing("\n", with: " ")
        let named = text.matches(of: /`(\w+Tests)`,\s+\*([^*]+)\*/)
        #expect(named.count >= 15)
        let sources = try Project.files(in: "Tests", ending: ".swift").map(Project.text)
        for match in named {
            let (suite, name) = (match.1, match.2)
            let isThere = sources.contains {
                $0.contains("struct \(suite) ") && $0.contains("func `\(name)`")
            }
            #expect(isThere, "\(suite), \(name)")
        }
    }

    @Test
    func `Every flag that the threat model names is there`() throws {
        let text = try Document(Self.path).text
        let flags = Set(text.matches(of: /--[a-z][a-z-]+/).map { String($0.0) })
        let reference = try Document(Document.commandLine).text
        #expect(flags.count >= 6)
        for flag in flags { #expect(reference.contains("`\(flag)`"), "\(flag)") }
    }
}
