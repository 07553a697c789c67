import Foundation
import Testing

@Suite(.timeLimit(.minutes(5)))
struct LinkTests {
    @Test(arguments: Document.all)
    func `A link to a file of the project leads there`(_ path: String) throws {
        let folder =
            path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]) : "."
        for link in try Document(path).text.matches(of: /(?:^|[^!])\[[^\]]*\]\(([^)#:]+)\)/) {
            #expect(Project.has("\(folder)/\(link.1)"), "\(link.1)")
        }
    }

    // DocC finds pictures by their name alone.
    @Test(arguments: Document.all)
    func `A picture of a document is among its resources`(_ path: String) throws {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        for picture in try Document(path).text.matches(of: /!\[[^\]]*\]\(([^)#:]+)\)/) {
            let files = ["png", "svg"].map { "\(folder)/Resources/\(picture.1).\($0)" }
            #expect(files.contains(where: Project.has), "\(picture.1)")
        }
    }

    @Test
    func `The README names only scripts and folders that exist`() throws {
        let text = try Document(Document.readme).text
        let named = text.matches(of: /\bScripts\/[a-z-]+|\.ci\/run/).map { String($0.0) }
        #expect(named.count > 3)
        for path in named { #expect(Project.has(path), "\(path)") }
        let folder = "Sources/EchoServer"
        let folders = Set(
            Project.files(in: folder, ending: ".swift").map { $0.dropFirst(folder.count + 1) }
                .filter { $0.contains("/") }.compactMap { $0.split(separator: "/").first }
        )
        for folder in folders { #expect(text.contains("\n  \(folder)/ "), "\(folder)") }
    }

    @Test
    func `The README's code is in languages that are checked, or is plain text`() throws {
        let readme = try Document(Document.readme)
        let languages = Set(readme.text.matches(of: /(?m)^```([a-z]+)$/).map { String($0.1) })
        #expect(languages == ["console", "sh", "swift"])
    }
}
