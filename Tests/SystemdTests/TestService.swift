import EchoServer
import EchoSockets
import EchoTestSupport
import Testing

/// A service that a test describes to the manager.
struct TestService: Sendable {
    let manager: ServiceManager
    /// The name of its units, without what comes behind the dot.
    let name: String
    /// An address that no other service has, port 7.
    let address: SocketAddress

    /// Makes up a service; its units are installed by ``install(_:options:sockets:)``.
    init() async throws {
        manager = try await ServiceManager.shared
        let number = UInt32.random(in: 0x7F53_0001...0x7F53_FFFE)  // 127.83.x.y
        name = "echo-\(String(number, radix: 16))"
        address = .ipv4(number, port: 7)
    }

    var unit: String { "\(name).service" }

    /// Installs the service.
    ///
    /// - Parameters:
    ///   - arguments: those of the program.
    ///   - options: lines of the service's section.
    ///   - sockets: socket units, by a suffix of the name, and the lines of their section.
    /// - Throws: `SystemError` if a unit file cannot be written.
    func install(
        _ arguments: [String],
        options: [String] = [],
        sockets: KeyValuePairs<String, [String]> = [:]
    ) async throws {
        let program = try BuiltProduct.path(named: "echo")
        let names = sockets.map { "\(name)\($0.key).socket" }
        let service = """
            [Unit]
            StartLimitIntervalSec=0
            [Service]
            Type=notify
            ExecStart=\(program) \(arguments.joined(separator: " "))
            SyslogIdentifier=\(name)
            \(options.joined(separator: "\n"))
            \(names.map { "Sockets=\($0)" }.joined(separator: "\n"))

            """
        var units = [unit: service]
        for (socket, lines) in zip(names, sockets.map(\.value)) {
            units[socket] = """
                [Socket]
                Service=\(unit)
                \(lines.joined(separator: "\n"))

                """
        }
        try await manager.install(units)
    }

    /// Starts it and expects that it becomes ready.
    func start(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await manager.systemctl("start", unit, sourceLocation: sourceLocation)
    }

    /// Stops it and expects that it ends in good order.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await manager.systemctl("stop", unit, sourceLocation: sourceLocation)
        let result = try await show("Result")
        #expect(result == "success", sourceLocation: sourceLocation)
    }

    /// A property of it, as the manager has it.
    func show(_ property: String) async throws -> String {
        let result = try await manager.run(["systemctl", "--user", "show", "-P", property, unit])
        return result.output.trimmed
    }

    /// Waits until a property has a value, and complains if it does not come to have it.
    func expect(
        _ property: String,
        is value: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var last = ""
        let holds = try await eventually {
            last = try await show(property)
            return last == value
        }
        #expect(holds, "\(property) is \(last), not \(value)", sourceLocation: sourceLocation)
    }

    /// What it has written to the journal at one level, syslog(3).
    func journal(priority: Int) async throws -> [String] {
        let filter = ["-t", name, "-p", "\(priority)..\(priority)"]
        let result = try await manager.run(["journalctl", "-q", "-o", "cat"] + filter)
        return result.output.split(separator: "\n").map(String.init)
    }

    /// Waits for a line in the journal.
    func journal(priority: Int, has part: String) async throws -> String? {
        var line: String?
        _ = try await eventually {
            line = try await journal(priority: priority).first { $0.contains(part) }
            return line != nil
        }
        return line
    }

    /// What the manager has written to the journal about it.
    func managerJournal() async throws -> String {
        try await manager.run(["journalctl", "-q", "-o", "cat", "USER_UNIT=\(unit)"]).output
    }

    /// Expects that it echoes.
    func expectEcho(
        at address: SocketAddress? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let report = try await EchoLoad(connections: 3, bytes: 20_000)
            .run(against: address ?? self.address)
        #expect(report.isComplete, "\(report)", sourceLocation: sourceLocation)
    }
}

extension String {
    /// Without the end of the line.
    fileprivate var trimmed: String { last == "\n" ? String(dropLast()) : self }
}
