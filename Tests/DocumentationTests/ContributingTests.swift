import EchoServer
import Foundation
import Testing

/// What the guide for contributors and the changelog name exists.
@Suite(.timeLimit(.minutes(5)))
struct ContributingTests {
    @Test
    func `The guide names only files and folders that exist, and every source target`() throws {
        let guide = try Document(Document.contributing)
        let folders = ["Sources", "Tests", "Scripts", "Packaging", "Modules", "Examples"]
        let named = guide.text.matches(of: /(?:[A-Z][A-Za-z]+|\.ci)(?:\/[A-Za-z+.-]+)*/)
            .map { String($0.0) }
            .filter { path in folders.contains { path == $0 || path.hasPrefix("\($0)/") } }
        #expect(named.count > 20)
        for path in named { #expect(Project.has(path), "\(path)") }
        let manifest = try Project.text("Package.swift")
        for target in manifest.matches(of: /\.(?:executableT|t)arget\(\s*name: "(\w+)"/)
        where Project.has("Sources/\(target.1)") {
            #expect(named.contains("Sources/\(target.1)"), "\(target.1)")
        }
    }

    @Test
    func `The guide's commands run suites, stages and scripts that exist`() throws {
        let lines = try Document(Document.contributing).blocks(in: "sh").flatMap(\.lines)
        let run = try Project.text(".ci/run")
        let suites = try Project.files(in: "Tests", ending: ".swift").map(Project.text)
        var count = 0
        for line in lines {
            if let stages = line.firstMatch(of: /CI_STAGES="([^"]+)"/) {
                for stage in stages.1.split(separator: " ") {
                    #expect(run.contains("\nstage \(stage) "), "\(stage)")
                    count += 1
                }
            }
            guard let filter = line.firstMatch(of: /--filter '?([A-Za-z.]+)/) else { continue }
            let names = filter.1.split(separator: ".")
            #expect(Project.has("Tests/\(names[0])"), "\(line)")
            for suite in names.dropFirst() {
                #expect(suites.contains { $0.contains("struct \(suite) ") }, "\(suite)")
            }
            count += 1
        }
        #expect(count >= 5)
    }

    @Test
    func `The guide has every script that checks something, and CI runs it`() throws {
        let guide = try Project.text(Document.contributing)
        let run = try Project.text(".ci/run")
        let scripts = Project.files(in: "Scripts", ending: "").filter {
            $0.wholeMatch(
                of: /Scripts\/(check-|build-documentation|test-packaging|.*-per-|idle-).*/
            )
                != nil
        }
        #expect(scripts.count >= 7)
        for script in scripts {
            #expect(guide.contains("`\(script)`"), "\(script)")
            #expect(run.contains(script), "\(script)")
        }
    }

    @Test
    func `The changelog has the version of the source, below what is unreleased`() throws {
        let headings = try Project.text("CHANGELOG.md").matches(of: /(?m)^## \[([^\]]+)\]/)
            .map { String($0.1) }
        #expect(headings.prefix(2) == ["Unreleased", EchoServer.version])
    }
}
