import EchoTestSupport
import Foundation
import Glibc
import Testing

/// Runs the sessions that the documents show.
///
/// In a block of the language `console`, a line that begins with `$ ` is a command, and the lines
/// below it are what it prints. A command that ends in `&` is a server: what it prints is awaited,
/// and at the end it is told to stop.
@Suite(.timeLimit(.minutes(5)))
struct ConsoleTests {
    struct Step: Equatable {
        var command: String
        var output: [String] = []

        var isServer: Bool { command.hasSuffix(" &") }
    }

    @Test(arguments: try Document.blocks(in: "console"))
    func `A session in a document goes as it is shown`(_ block: Document.Block) async throws {
        let folder = try ScratchFolder()
        let echo = try BuiltProduct.path(named: "echo")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("echo-server"),
            withDestinationPath: echo
        )
        var servers: [RunningProcess] = []
        for step in Self.steps(block.lines) {
            if step.isServer {
                let process = try Self.run("exec \(step.command.dropLast(2))", in: folder)
                servers.append(process)
                for line in step.output { _ = try await process.line { $0 == line } }
            } else {
                let process = try Self.run(step.command, in: folder)
                let result = try await process.result()
                #expect(result.exit == .code(0), "\(step.command): \(result.errors)")
                let lines = String(decoding: result.output, as: UTF8.self)
                    .split(separator: "\n").map(String.init)
                #expect(lines == step.output, "\(step.command)")
            }
        }
        for server in servers {
            server.send(signal: SIGTERM)
            #expect(try await server.exit() == .code(0))
        }
    }

    @Test
    func `The first session of the README is found and has a server and a client`() throws {
        let steps = try Self.steps(
            #require(Document(Document.readme).blocks(in: "console").first).lines
        )
        #expect(steps.map(\.isServer) == [true, false])
        #expect(steps.allSatisfy { !$0.output.isEmpty })
    }

    private static func run(_ command: String, in folder: ScratchFolder) throws -> RunningProcess {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return try RunningProcess(
            "/bin/bash",
            ["-o", "pipefail", "-c", command],
            environment: ["PATH": "\(folder.path):\(path)"],
            directory: folder.path
        )
    }

    private static func steps(_ lines: [String]) -> [Step] {
        lines.reduce(into: []) { steps, line in
            if line.hasPrefix("$ ") {
                steps.append(Step(command: String(line.dropFirst(2))))
            } else if !steps.isEmpty {
                steps[steps.count - 1].output.append(line)
            }
        }
    }
}
