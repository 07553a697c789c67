import EchoTestSupport
import Foundation
import Testing

/// The template of the manual page says what the command line's reference says.
@Suite(.timeLimit(.minutes(5)))
struct ManualTests {
    private static let path = "Packaging/man/echo-server.8.in"

    // Without what only lays it out.
    private static func manual() throws -> String {
        try Project.text(path).replacing(#/(?m)^\.(It|Cm|Fl|Ar|Va|Ev|Ql) /#, with: "")
            .replacing(/\s+/, with: " ")
    }

    @Test func `It has the range of every value`() throws {
        let manual = try Self.manual()
        let rows = try Document(Document.commandLine).tableRows
        let flags = rows.filter { $0.first?.hasPrefix("`--") == true && $0.count == 4 }
        var count = 0
        for flag in flags {
            guard let range = flag[1].firstMatch(of: /\d\w* to \d\w*/),
                let name = flag[0].firstMatch(of: /[a-z][a-z-]+/),
                // Those of the client's commands are in their help, which is in the manual.
                ![
                    "connections", "size", "interval", "count", "in-flight", "idle", "rounds",
                ].contains(name.0)
            else { continue }
            count += 1
            let place = try #require(
                manual.range(of: "-\(name.0) "),
                "\(name.0) is not in the manual"
            )
            #expect(manual[place.lowerBound...].contains(range.0), "\(name.0): \(range.0)")
        }
        #expect(count >= 5)
    }

    @Test func `It has the file that the guide shows`() throws {
        let guide = try Project.text("Sources/EchoServer/EchoServer.docc/Configuration.md")
        let example = try #require(guide.firstMatch(of: /```\n(# An echo[\s\S]*?)```/))
        #expect(try Project.text(Self.path).contains(example.1))
    }
}
