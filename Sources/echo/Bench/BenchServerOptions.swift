import ArgumentParser
import EchoClient
import EchoServer
import EchoSockets
import Glibc

/// The servers of a measurement.
struct BenchServerOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "An I/O model of this program, or all; may be repeated; none if there is another "
                + "server. (default: all)",
            valueName: "name"
        ),
        completion: .list(EchoServer.IOModel.allCases.map(\.rawValue) + ["all"]),
        transform: Self.models
    )
    var model: [ValueList<EchoServer.IOModel>] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A server that runs already, as an endpoint, such as 127.0.0.1:7 or udp:127.0.0.1:7; "
                + "may be repeated.",
            valueName: "endpoint"
        ),
        transform: Parse.clientEndpoint
    )
    var target: [Endpoint] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The process of each target, in the same order, whose costs are then measured; none "
                + "for one that is not known.",
            valueName: "number"
        ),
        transform: Self.process
    )
    var pid: [Int?] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A command that starts a server on port PORT of 127.0.0.1; may be repeated.",
            valueName: "command"
        ),
        transform: Self.command
    )
    var command: [String] = []

    @Flag(name: .long, help: "Ask models and commands over UDP; models without a loop guard.")
    var udp = false

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Workers of the completion port. (default: 1)",
            valueName: "count"
        ),
        transform: Parse.count(1...1024)
    )
    var workers = 1

    private static func models(_ text: String) throws -> ValueList<EchoServer.IOModel> {
        if text == "all" { return ValueList(values: EchoServer.IOModel.allCases) }
        return try Parse.list(of: { try Parse.choice($0) })(text)
    }

    private static func process(_ text: String) throws -> Int? {
        if text == "none" { return nil }
        guard let number = Parse.number(text), (1...4_194_304).contains(number) else {
            throw ValidationError("it must be a number from 1 to 4194304; or write none")
        }
        return number
    }

    private static func command(_ text: String) throws -> String {
        guard text.contains("PORT") else {
            throw ValidationError("it does not say where the server's port goes: write PORT there")
        }
        return text
    }

    func check() throws {
        if !pid.isEmpty, pid.count != target.count {
            throw ValidationError(
                "there are \(target.count) --target and \(pid.count) --pid: each target needs one, "
                    + "which may be none"
            )
        }
    }

    /// Whether any server is asked over UDP.
    var hasDatagrams: Bool { udp || target.contains(where: \.isDatagram) }

    /// The servers, in the order in which ratios and tables take them.
    func servers() throws -> [EchoBench.Server] {
        var models = model.flatMap(\.values)
        if models.isEmpty, target.isEmpty, command.isEmpty { models = EchoServer.IOModel.allCases }
        let program = try Self.program()
        var servers: [EchoBench.Server] = []
        for (index, model) in models.enumerated() where !models[..<index].contains(model) {
            let name = (udp ? "udp:" : "") + model.rawValue
            servers.append(
                EchoBench.Server(name, .model, .announcing(arguments(program, model)))
            )
        }
        for (index, endpoint) in target.enumerated() {
            let pid = index < pid.count ? pid[index].map(pid_t.init) : nil
            let place = EchoEndpoint(endpoint)
            servers.append(.running("\(endpoint)", at: place, processIdentifier: pid))
        }
        for command in command { servers.append(.command(command, command, overUDP: udp)) }
        return servers
    }

    private func arguments(_ program: String, _ model: EchoServer.IOModel) -> [String] {
        let endpoint = udp ? "udp:127.0.0.1:0" : "127.0.0.1:0"
        var arguments = [program, "serve", "--model", model.rawValue, "--listen", endpoint]
        if udp { arguments.append("--no-loop-guard") }
        if model == .completionPort { arguments += ["--workers", "\(workers)"] }
        return arguments + ["--log-level", "error"]
    }

    // This program, however it was started.
    private static func program() throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else {
            throw CommandError(
                exitCode: Exit.system,
                message: "cannot find this program: /proc is not mounted"
            )
        }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
