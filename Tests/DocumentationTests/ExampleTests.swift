import CoreMetrics
import EchoServer
import EchoTestSupport
import Foundation
import ServiceLifecycle
import Testing

@testable import echo

@Suite(.timeLimit(.minutes(5)))
struct ExampleTests {
    // The blocks of the page about models are those of a model: see `AddingAModelTests`. A test is
    // among the examples that are a package of their own.
    private static func blocks() throws -> [Document.Block] {
        try Document.blocks(in: "swift").filter {
            $0.document != AddingAModelTests.page && !isTest($0)
        }
    }

    private static func isTest(_ block: Document.Block) -> Bool {
        block.lines.contains("import Testing")
    }

    @Test
    func `The test in the documents is that of the examples`() throws {
        let text = try Project.text("Examples/Tests/YourServerTests/YourServerTests.swift")
        let blocks = try Document.blocks(in: "swift").filter(Self.isTest)
        #expect(blocks.count == 2)
        for block in blocks { #expect(block.lines.joined(separator: "\n") + "\n" == text) }
    }

    @Test(arguments: try blocks())
    func `A block of Swift in a document is one of the examples compiled here`(
        _ block: Document.Block
    ) throws {
        let (imports, code) = Self.split(block.lines)
        let source = try Project.text("Tests/DocumentationTests/Examples.swift")
        #expect(try Self.examples().contains(code))
        for line in imports { #expect(source.contains("\n\(line)\n"), "\(line)") }
        for (module, word) in Self.needs where code.contains(where: { $0.contains(word) }) {
            #expect(imports.contains("import \(module)"))
        }
    }

    @Test
    func `Every example compiled here stands in a document`() throws {
        let blocks = try Self.blocks().map { Self.split($0.lines).code }
        for example in try Self.examples() { #expect(blocks.contains(example)) }
    }

    @Test
    func `The examples that start and stop a server run`() async throws {
        try await withDeadline(patience, "the landing page's example") {
            try await Examples.landing()
        }
        try await withDeadline(patience, "the README's example") { try await Examples.embedding() }
    }

    @Test
    func `The example of a client runs`() async throws {
        let configuration = EchoServer.Configuration(listen: [.tcp("127.0.0.1", port: 0)])
        let server = try EchoServer(configuration: configuration)
        let endpoint = try #require(try server.start().first)
        try await Examples.client("\(endpoint)")
        await server.shutdown(drainingFor: .zero)
    }

    @Test
    func `The example of a service group serves until it is cancelled`() async throws {
        let folder = try ScratchFolder()
        let path = folder.path("echo.sock")
        let group = Task {
            try await Examples.serviceGroup(.init(listen: [.unix(path)]))
        }
        #expect(await eventually { canConnect(toUnixSocket: path) })
        group.cancel()
        _ = try await withDeadline(patience, "the service group") { await group.result }
        #expect(!canConnect(toUnixSocket: path))
    }

    @Test
    func `The example of a service group with another service ends as well`()
        async throws
    {
        struct Sleeper: Service {
            func run() async throws { try? await gracefulShutdown() }
        }
        let folder = try ScratchFolder()
        let path = folder.path("echo.sock")
        let group = Task {
            try await Examples.serviceGroup(.init(listen: [.unix(path)]), beside: Sleeper())
        }
        #expect(await eventually { canConnect(toUnixSocket: path) })
        group.cancel()
        _ = try await withDeadline(patience, "the service group") { await group.result }
        #expect(!canConnect(toUnixSocket: path))
    }

    @Test
    func `The example of a metrics backend gives a server that starts`() async throws {
        let configuration = EchoServer.Configuration(listen: [.tcp("127.0.0.1", port: 0)])
        let server = try Examples.metrics(configuration, NOOPMetricsHandler.instance)
        #expect(try server.start().count == 1)
        await server.shutdown(drainingFor: .zero)
    }

    @Test
    func `The tables of metrics and of settings are complete`() throws {
        let folder = "Sources/EchoServer/EchoServer.docc"
        let metrics = try Document("\(folder)/Metrics.md")
        for metric in EchoServer.Metric.allCases {
            let row = metrics.tableRows.first { $0.first == "`\(metric.rawValue)`" }
            #expect(row?.dropFirst().first?.hasPrefix(metric.isGauge ? "gauge" : "counter") == true)
        }
        for reason in EchoServer.RejectionReason.allCases.map(\.rawValue)
            + EchoServer.CloseReason.allCases.map(\.rawValue)
        {
            #expect(metrics.text.contains("`\(reason)`"), "\(reason)")
        }
        let configuration = try Document("\(folder)/Configuration.md").text
        for property in Mirror(reflecting: EchoServer.Configuration()).children {
            let name = try #require(property.label)
            #expect(configuration.contains("``EchoServer/Configuration/\(name)``"), "\(name)")
        }
        for setting in Setting.all {
            #expect(configuration.contains("`\(setting.key)`"), "\(setting.key)")
            #expect(configuration.contains("`\(setting.variable)`"), "\(setting.variable)")
        }
    }

    @Test
    func `The example of an accept condition gives a server that starts`() async throws {
        let server = try Examples.acceptCondition()
        #expect(try server.start().count == 1)
        await server.shutdown(drainingFor: .zero)
    }

    @Test
    func `The example of a failure catches that the address is in use`() async throws {
        let configuration = EchoServer.Configuration(listen: [.tcp("127.0.0.1", port: 0)])
        let server = try EchoServer(configuration: configuration)
        let taken = EchoServer.Configuration(listen: try server.start())
        #expect(throws: Never.self) { try Examples.failure(taken) }
        #expect(throws: EchoServer.Failure.self) { try EchoServer(configuration: taken).start() }
        await server.shutdown(drainingFor: .zero)
    }

    private static let needs = [
        ("EchoServer", "EchoServer"), ("EchoClient", "EchoConnection."), ("Logging", "Logger("),
        ("ServiceLifecycle", "ServiceGroup("),
        ("UnixSignals", ".sigterm"), ("CoreMetrics", "metricsFactory:"),
    ]

    // A block's imports, and the rest.
    private static func split(_ lines: [String]) -> (imports: [String], code: [String]) {
        let imports = lines.filter { $0.hasPrefix("import ") }
        return (imports, Array(lines.drop { $0.hasPrefix("import ") || $0.isEmpty }))
    }

    // The code between marks, with the indentation of the first mark taken off.
    private static func examples() throws -> [[String]] {
        let text = try Project.text("Tests/DocumentationTests/Examples.swift")
        let lines = text.components(separatedBy: "\n")
        var examples: [[String]] = []
        var current: [String]?
        for line in lines {
            switch line.trimmingCharacters(in: .whitespaces) {
            case "// example": current = []
            case "// end":
                if let example = current { examples.append(example) }
                current = nil
            default: current?.append(line.hasPrefix("        ") ? String(line.dropFirst(8)) : line)
            }
        }
        return examples
    }
}
