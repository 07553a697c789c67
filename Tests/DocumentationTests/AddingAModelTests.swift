import Testing

/// The page that walks through an eighth model shows the code of the tests' one.
@Suite(.timeLimit(.minutes(5)))
struct AddingAModelTests {
    static let page = "Sources/EchoServer/EchoServer.docc/AddingAModel.md"
    private static let model = "Tests/EchoServerTests/PollModel/PollModel.swift"

    @Test
    func `Each block of the page stands in the model's file, and leaves nothing out but imports`()
        throws
    {
        let code = try Project.text(Self.model)
        let blocks = try Document(Self.page).blocks(in: "swift")
        #expect(blocks.count >= 3)
        for block in blocks {
            #expect(code.contains(block.lines.joined(separator: "\n")), "line \(block.line)")
        }
        let shown = blocks.reduce(0) { $0 + $1.lines.filter { !$0.isEmpty }.count }
        let written = code.split(separator: "\n").filter {
            !$0.hasPrefix("import ") && !$0.hasPrefix("@testable ") && !$0.hasPrefix("//")
        }
        #expect(shown == written.count)
    }

    @Test
    func `The model has fewer than 120 lines, and its outline is that of the page`() throws {
        let lines = try Project.text(Self.model).split(
            separator: "\n",
            omittingEmptySubsequences: false
        )
        #expect(lines.count <= 121)
        let outline = lines.prefix { $0.hasPrefix("//") }.dropFirst(2)
            .map { $0.drop { $0 == "/" }.dropFirst(5) }
        let page = try Project.text(Self.page)
        #expect(outline.count >= 5)
        #expect(page.contains(outline.joined(separator: "\n")))
    }

    @Test
    func `The files and folders that the page names exist`() throws {
        let text = try Project.text(Self.page)
        for match in text.matches(of: /`((?:Sources|Tests|Scripts)\/[^`<]+)`/) {
            #expect(Project.has(String(match.1)), "\(match.1)")
        }
    }
}
