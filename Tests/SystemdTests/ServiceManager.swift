import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Tests with a real service manager and a real journal, which see nothing of those of the machine.
///
/// One after the other: most of them start and stop processes, and watch the time these take.
@Suite(
    .serialized,
    .timeLimit(.minutes(5)),
    .enabled(if: geteuid() == 0, "only root can give a service manager a /run of its own"),
    .disabled(if: isSanitized, "the manager's time limits are for programs at full speed")
)
enum SystemdTests {}

/// A `systemd --user` with a journal (`Scripts/with-systemd`).
///
/// One for all tests; it ends with them, because its input does.
final class ServiceManager: Sendable {
    private static let starting = Task { try await ServiceManager() }

    /// The manager; started by the first test that asks.
    static var shared: ServiceManager { get async throws { try await starting.value } }

    private let harness: RunningProcess
    // The first process of its process numbers, as seen from here.
    private let first: String

    private init() async throws {
        announce("starting a service manager and a journal for the tests of units")
        let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let hold = "echo ready; exec cat"
        harness = try RunningProcess(
            "/\(folder)/Scripts/with-systemd",
            ["sh", "-c", hold],
            input: .pipe
        )
        _ = try await harness.line { $0 == "ready" }
        let children = "/proc/\(harness.pid)/task/\(harness.pid)/children"
        first = try #require(try Self.read(children).split(separator: " ").first.map(String.init))
    }

    private static func read(_ path: String) throws -> String {
        let file = try systemCall("open") { unsafe open(path, O_RDONLY | O_CLOEXEC) }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = try systemCall("read") { unsafe Glibc.read(file, &buffer, buffer.count) }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    /// Runs a command among the manager's processes.
    func run(_ command: [String]) async throws -> (exit: RunningProcess.Exit, output: String) {
        let process = try start(command)
        let result = try await process.result(within: .seconds(60))
        return (result.exit, String(decoding: result.output, as: UTF8.self))
    }

    /// Starts a command among the manager's processes.
    func start(_ command: [String]) throws -> RunningProcess {
        let entering = ["--target", first, "--mount", "--pid", "env"]
        let environment = ["XDG_RUNTIME_DIR=/run/manager", "PAGER=", "SYSTEMD_COLORS=0"]
        return try RunningProcess("/usr/bin/nsenter", entering + environment + command)
    }

    /// Runs systemctl and expects it to succeed.
    func systemctl(
        _ arguments: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let result = try await run(["systemctl", "--user"] + arguments)
        #expect(
            result.exit == .code(0),
            "systemctl \(arguments): \(result.output)",
            sourceLocation: sourceLocation
        )
    }

    /// Writes unit files, and has the manager read them.
    func install(_ units: [String: String]) async throws {
        for (name, text) in units {
            let path = "/proc/\(first)/root/run/manager/config/systemd/user/\(name)"
            let file = try systemCall("open") {
                unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            }
            defer { close(file) }
            let bytes = Array(text.utf8)
            let count = try systemCall("write") { unsafe write(file, bytes, bytes.count) }
            #expect(count == bytes.count)
        }
        try await systemctl("daemon-reload")
    }
}
