import ArgumentParser
import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc

/// Injects faults into the built server, one model after the other, and prints what came of it.
@main
struct FaultRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo-fault-run",
        abstract: "Serve with each model under faults; verify every byte, and what the rest costs.",
        discussion: """
            The same seed gives the same clients and the same faults; how they fall together \
            depends on the machine as well. The exit code is 0 if everything held, 1 if not.
            """
    )

    @Option(help: "Seconds of faults for each model.") var seconds = 30
    @Option(help: "What clients and faults are drawn from; another each time if not given.")
    var seed = UInt64.random(in: 0...UInt64.max)
    @Option(help: "A model; may be repeated. All of them if not given.") var model: [String] = []
    @Option(help: "Clients at once.") var clients = 200
    @Option(help: "Connections that arrive and are closed at once; at most 900 for select.")
    var crowd = 10_000
    @Option(help: "The server to run; the one built beside this program if not given.")
    var server: String?
    @Flag(help: "Leave out the costs of rest, and the crowd.") var faultsOnly = false
    @Flag(help: "Do not judge latencies: for a machine that does other things as well.")
    var untimed = false

    // The server of a test: what it does wrong, and the Unix socket that it listens on as well.
    @Option(help: .hidden) var serveWrongly: String?
    @Option(help: .hidden) var socket = ""

    func validate() throws {
        guard seconds > 0, clients > 0, crowd >= 10 else {
            throw ValidationError("seconds and clients must be above 0, the crowd above 9")
        }
        for name in model where EchoServer.IOModel(rawValue: name) == nil {
            throw ValidationError("no such model: \(name)")
        }
    }

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        if let fault = serveWrongly { return try await WrongServer.run(fault, unixPath: socket) }
        let program = try server ?? BuiltProduct.path(named: "echo")
        let descriptors = raiseDescriptorLimit()
        guard descriptors > crowd + clients + 200 else {
            throw ValidationError("\(descriptors) descriptors do not do for a crowd of \(crowd)")
        }
        say("seed \(seed), \(seconds) s for each model, \(clients) clients, crowd of \(crowd)")
        let names = model.compactMap(EchoServer.IOModel.init(rawValue:))
        var reports: [ModelReport] = []
        for model in names.isEmpty ? EchoServer.IOModel.allCases : names {
            let run = ModelRun(
                program: program,
                model: model,
                seed: seed,
                span: .seconds(seconds),
                clients: clients,
                crowd: crowd,
                isTimed: !untimed,
                isComplete: !faultsOnly
            )
            let report = await run.report()
            say("\(model.rawValue): \(report.failures.isEmpty ? "ok" : "FAILED")")
            for failure in report.failures { say("  \(failure)") }
            reports.append(report)
        }
        say(ReportTables(reports, areComplete: !faultsOnly).text)
        if reports.contains(where: { !$0.failures.isEmpty }) { throw ExitCode(1) }
    }
}

/// Prints at once, also where the output is a file.
func say(_ text: String) {
    print(text)
    fflush(nil)
}
