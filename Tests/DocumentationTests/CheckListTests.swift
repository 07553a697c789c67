import EchoClient
import Testing

/// The list of conformance checks is that of the program.
@Suite(.timeLimit(.minutes(5)))
struct CheckListTests {
    private static let path = "Sources/EchoServer/EchoServer.docc/Checks.md"

    @Test(arguments: EchoCheck.Check.allCases)
    func `The list has every check, with its meaning and what it does`(
        _ check: EchoCheck.Check
    ) throws {
        let document = try Document(Self.path)
        #expect(document.tableRows.contains(["`\(check.rawValue)`", check.meaning]))
        #expect(document.text.contains("- **\(check.rawValue)** "))
    }

    @Test
    func `The list has no other check`() throws {
        let named = try Document(Self.path).text.matches(of: /(?m)^(?:\| `|- \*\*)([a-z-]+)[`*]/)
            .map { String($0.1) }
        #expect(Set(named) == Set(EchoCheck.Check.allCases.map(\.rawValue)))
    }
}
