import EchoServer
import EchoSockets
import EchoTestSupport
import Foundation
import Glibc
import Testing

/// `echo bench`, with real servers.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct BenchCommandTests {
    private static let short = round(of: "100ms")

    private static func round(of time: String) -> [String] {
        ["--rounds", "1", "--time", time, "--warm-up", "10ms"]
    }

    private struct Report: Decodable {
        struct Subject: Decodable {
            let name: String
            let kind: String
        }
        struct Round: Decodable {
            struct Server: Decodable {
                let userSeconds: Double
                let systemSeconds: Double
                let threads: Int
            }
            let echoes: Int
            let wrongBytes: Int
            let server: Server?
        }
        struct Result: Decodable {
            let subject: Int
            let load: Int
            let rounds: [Round]
            let failure: String?
        }
        let subjects: [Subject]
        let results: [Result]
        let command: String
        let seed: UInt64
    }

    private func bench(_ arguments: [String]) async throws -> (Report, RunningProcess.Exit) {
        let process = try RunningProcess(
            BuiltProduct.path(named: "echo"),
            ["bench", "--json"] + arguments
        )
        let (exit, output, errors) = try await process.result(within: .seconds(120))
        #expect(errors == "")
        return (try JSONDecoder().decode(Report.self, from: Data(output)), exit)
    }

    @Test func `all models are measured, each in a process of its own`() async throws {
        let all = ["--model", "all", "--connections", "5"]
        var (report, exit) = try await bench(all + Self.short)
        // Where the machine holds somebody up all that time, no echo comes: again, for longer.
        for time in ["500ms", "2s", "5s"]
        where report.results.contains(where: { $0.rounds.first?.echoes == 0 }) {
            (report, exit) = try await bench(all + Self.round(of: time))
        }
        #expect(exit == .code(0))
        #expect(report.subjects.map(\.name) == EchoServer.IOModel.allCases.map(\.rawValue))
        #expect(report.results.count == 7)
        for result in report.results {
            let round = try #require(result.rounds.first)
            #expect(round.echoes > 0 && round.wrongBytes == 0 && result.failure == nil)
            let server = try #require(round.server)
            #expect(server.userSeconds + server.systemSeconds > 0)
            #expect(server.threads >= 1)
        }
    }

    @Test func `loads are all combinations, and the seed repeats the order`() async throws {
        let arguments = [
            "--model", "select,completion-port", "--connections", "1,3", "--size", "1,1KiB",
            "--in-flight", "1,4", "--seed", "4711",
        ]
        let (report, _) = try await bench(arguments + Self.short)
        #expect(report.results.count == 16)
        #expect(report.seed == 4711)
        #expect(report.command.hasSuffix("--seed 4711 --rounds 1 --time 100ms --warm-up 10ms"))
    }

    @Test func `running servers and commands are measured beside models`() async throws {
        let server = try await RunningServer(.asyncSelect)
        let program = try BuiltProduct.path(named: "echo")
        let (report, exit) = try await bench(
            [
                "--target", "\(server.address)", "--pid", "\(server.process.pid)", "--command",
                "\(program) --listen 127.0.0.1:PORT", "--model", "select",
                "--connections", "2",
            ] + Self.short
        )
        #expect(exit == .code(0))
        #expect(report.subjects.map(\.kind) == ["model", "target", "command"])
        #expect(report.results.allSatisfy { $0.rounds.first?.server != nil })
    }

    /// Which process belongs to which target is not guessed.
    @Test func `of several targets, those whose process is named have costs`() async throws {
        let (first, second) = (try await RunningServer(.select), try await RunningServer(.select))
        let (report, exit) = try await bench(
            [
                "--target", "\(first.address)", "--pid", "none", "--target", "\(second.address)",
                "--pid", "\(second.process.pid)", "--connections", "2",
            ] + Self.short
        )
        #expect(exit == .code(0))
        #expect(report.results.map { $0.rounds.first?.server != nil } == [false, true])
    }

    @Test func `a command may print as much as it likes`() async throws {
        let program = try BuiltProduct.path(named: "echo")
        // More than a pipe holds.
        let noise = "dd if=/dev/zero bs=65536 count=20"
        let command = "sh -c '\(noise); exec \(program) --listen 127.0.0.1:PORT'"
        let (report, exit) = try await bench(
            ["--command", command, "--connections", "2"] + Self.short
        )
        #expect(exit == .code(0), "\(report)")
    }

    @Test(arguments: [
        "cd / && %", "X=1 %", "ulimit -n 100; %", "if true; then %; fi", "(%)", "exec %",
    ])
    func `a command may be whatever a shell takes`(_ form: String) async throws {
        let program = try BuiltProduct.path(named: "echo")
        let serve = "\(program) --model select --listen 127.0.0.1:PORT"
        let command = form.replacing("%", with: serve)
        let (report, exit) = try await bench(
            ["--command", command, "--connections", "2"] + Self.round(of: "300ms")
        )
        #expect(exit == .code(0), "\(report)")
        // Of the server, not of the shell that waits for it.
        let costs = try #require(report.results[0].rounds.first?.server)
        #expect(costs.userSeconds + costs.systemSeconds > 0.001)
    }

    @Test func `a server that never answers has failed, 1`() async throws {
        let silent = try ThreadedEchoServer(.swallows)
        for flags in [[], ["--churn"], ["--rate", "100"]] {
            let arguments = ["--target", "\(silent.address)", "--connections", "2"] + flags
            let (report, exit) = try await bench(arguments + Self.short)
            #expect(exit == .code(1), "\(flags)")
            #expect(report.results[0].failure == "no echo came back", "\(flags)")
        }
    }

    @Test func `a server that cannot be measured fails alone, 1`() async throws {
        let wrong = try ThreadedEchoServer(.corrupts(at: 10))
        // The wrong server's round is over as soon as it has answered.
        let (report, exit) = try await bench(
            [
                "--command", "/bin/false PORT", "--target", "\(wrong.address)", "--model", "select",
                "--connections", "2",
            ] + Self.round(of: "2s")
        )
        #expect(exit == .code(1))
        #expect(report.results[0].failure == nil)
        #expect(report.results[1].failure?.contains("expected byte") == true, "\(report)")
        #expect(report.results[2].failure?.contains("has ended") == true, "\(report)")
    }

    @Test(arguments: [
        ("/bin/false # PORT", "has ended with exit code 1"),
        ("/no/such-server PORT", "has ended with exit code 127: there is no such command"),
        ("/etc/passwd PORT", "has ended with exit code 126: the command cannot be executed"),
        ("sh -c 'kill -KILL $$' # PORT", "has ended by signal 9"),
    ])
    func `how a command ended is told`(_ command: String, _ reason: String) async throws {
        for flags in [[], ["--udp"]] {
            let arguments = ["--command", command, "--connections", "2"] + flags + Self.short
            let (report, exit) = try await bench(arguments)
            #expect(exit == .code(1))
            #expect(report.results[0].failure == "\(report.subjects[0].name) \(reason)")
        }
    }

    // The limit is on processor time; at the hard one, the kernel kills it.
    @Test(arguments: [[], ["--udp"]])
    func `a command that ends while it is measured is told`(_ flags: [String]) async throws {
        let program = try BuiltProduct.path(named: "echo")
        let endpoint = flags.isEmpty ? "127.0.0.1:PORT" : "udp:127.0.0.1:PORT"
        let serve = "\(program) --model select --no-loop-guard --listen \(endpoint)"
        let command = "sh -c 'ulimit -t 1; exec \(serve)'"
        let rounds = ["--connections", "4", "--rounds", "1", "--time", "20s"]
        let (report, exit) = try await bench(["--command", command] + rounds + flags)
        #expect(exit == .code(1))
        #expect(report.results[0].failure == "\(report.subjects[0].name) has ended by signal 9")
    }

    @Test func `^C ends it with what was measured, and leaves no server behind`() async throws {
        let process = try RunningProcess(
            BuiltProduct.path(named: "echo"),
            ["bench", "--model", "completion-port", "--connections", "2", "--time", "60s"]
        )
        let child = try await eventualChild(of: process.pid)
        process.send(signal: SIGINT)
        _ = try await process.exit(within: .seconds(30))
        #expect(await eventually { kill(child, 0) != 0 })
    }

    @Test func `^C ends it while a server does not accept yet`() async throws {
        let process = try RunningProcess(
            BuiltProduct.path(named: "echo"),
            ["bench", "--command", "sleep 600 # PORT"]
        )
        _ = try await eventualChild(of: process.pid)
        process.send(signal: SIGINT)
        // Less than it waits for a server.
        _ = try await process.exit(within: .seconds(8))
    }

    private func eventualChild(of pid: pid_t) async throws -> pid_t {
        let path = "/proc/\(pid)/task/\(pid)/children"
        var child: pid_t?
        _ = await eventually {
            child = KernelFile.text(path)?.split(separator: " ").first.flatMap { pid_t($0) }
            return child != nil
        }
        return try #require(child)
    }

    @Test func `the plan runs nothing`() async throws {
        let process = try RunningProcess(
            BuiltProduct.path(named: "echo"),
            ["bench", "--plan", "--model", "all", "--connections", "1,10"]
        )
        let (exit, output, _) = try await process.result()
        #expect(exit == .code(0))
        let text = String(decoding: output, as: UTF8.self)
        #expect(text.contains("server  completion-port\n"))
        #expect(text.contains("load    10 connections, 64 bytes\n"))
        #expect(text.contains("time    about 91 seconds\n"), "\(text)")
    }

    @Test(arguments: [
        (["--model", "iocp"], "did you mean"),
        (["--connections", "0"], "it must be a number from 1 to 100000"),
        (["--connections", "1,,2"], "it must be a number"),
        (["--rate", "-1"], "it must be a number of messages a second"),
        (["--rate", "0.0000000000001"], "a second from 0.001 to 10000000"),
        (["--rate", "1,10000001"], "a second from 0.001 to 10000000"),
        (["--churn", "--rate", "10"], "--churn and --rate contradict each other"),
        (["--pid", "1"], "there are 0 --target and 1 --pid"),
        (
            ["--target", "[::1]:7", "--target", "[::1]:8", "--pid", "1"],
            "there are 2 --target and 1 --pid: each target needs one, which may be none"
        ),
        (["--pid", "nobody"], "it must be a number from 1 to 4194304; or write none"),
        (["--command", "socat"], "it does not say where the server's port goes"),
    ])
    func `bad values are named, 64`(_ arguments: [String], _ reason: String) async throws {
        let process = try RunningProcess(BuiltProduct.path(named: "echo"), ["bench"] + arguments)
        let (exit, _, errors) = try await process.result()
        #expect(exit == .code(64), "\(errors)")
        #expect(errors.contains(reason) || arguments[1] == "iocp", "\(errors)")
        #expect(errors.split(separator: "\n").count == 1, "\(errors)")
    }
}
