import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What signals do: the same to an ordinary process and to process 1 of a container, for which the
/// default actions do not apply, and whatever was blocked or ignored when the program was started.
@Suite(.timeLimit(.minutes(10)), .serialized)
struct SignalTests {
    /// How the program is started.
    enum Start: String, CaseIterable, CustomTestStringConvertible {
        case ordinary
        case processOne = "process 1"
        case ignoring = "everything ignored"
        case blocking = "everything blocked"

        var testDescription: String { rawValue }

        var wrapper: [String] {
            switch self {
            case .ordinary: ["/usr/bin/env"]
            case .processOne: ["/usr/bin/unshare", "--pid", "--fork", "--mount-proc"]
            case .ignoring: ["/usr/bin/env", "--ignore-signal"]
            case .blocking: ["/usr/bin/env", "--block-signal"]
            }
        }

        /// How it ends by a signal, as its parent sees it.
        func end(by signal: CInt) -> RunningProcess.Exit {
            self == .processOne ? .code(128 + signal) : .signal(signal)
        }

        /// Sends it a signal.
        func send(_ signal: CInt, to process: RunningProcess) async throws {
            guard self == .processOne else { return process.send(signal: signal) }
            let children = "/proc/\(process.pid)/task/\(process.pid)/children"
            var child: pid_t?
            #expect(
                await eventually {
                    child = pid_t(String(decoding: readFile(children).dropLast(), as: UTF8.self))
                    return child != nil
                }
            )
            #expect(kill(try #require(child), signal) == 0)
        }
    }

    static let withoutEffect =
        [
            SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGPIPE, SIGIO, SIGPWR,
            SIGSTKFLT,
            SIGXFSZ, SIGXCPU, SIGTTOU, SIGCHLD, SIGURG, SIGWINCH, SIGCONT,
        ] + Array(34...64)

    private func server(
        _ start: Start,
        _ arguments: [String] = []
    ) async throws -> RunningServer {
        try await RunningServer(
            ["--model", "thread-per-client"] + arguments,
            through: endingAbruptly + start.wrapper
        )
    }

    @Test(arguments: Start.allCases)
    func `most signals have no effect on a server`(_ start: Start) async throws {
        let server = try await server(start)
        let client = try await TestClient(to: server.address)
        #expect(try await client.exchange([1]) == [1])
        for signal in Self.withoutEffect {
            try await start.send(signal, to: server.process)
            #expect(try await client.exchange([2]) == [2], "signal \(signal)")
        }
        client.close()
        try await start.send(SIGTERM, to: server.process)
        #expect(try await server.process.exit() == .code(0))
    }

    @Test(arguments: Start.allCases, [SIGTERM, SIGINT])
    func `the first of SIGTERM and SIGINT drains, the second ends at once`(
        _ start: Start,
        _ signal: CInt
    ) async throws {
        let server = try await server(start, ["--drain-timeout", "10m"])
        let client = try await server.owedClient()
        defer { client.close() }
        try await start.send(signal, to: server.process)
        _ = try await server.process.line(from: .standardError) { $0.contains("draining") }
        // Those without effect are not taken for a second one.
        for other in [SIGHUP, SIGUSR1, SIGALRM] { try await start.send(other, to: server.process) }
        // More than was on its way back: it goes on serving.
        let half = RunningServer.owedBytes.prefix(RunningServer.owedBytes.count / 2)
        let isServed = try await client.receive(half.count) == Array(half)
        #expect(isServed)
        try await start.send(signal, to: server.process)
        #expect(try await server.process.exit() == start.end(by: signal))
        let quick = try await self.server(start)
        try await start.send(signal, to: quick.process)
        #expect(try await quick.process.exit() == .code(0))
    }

    // The runtime used to report a crash, or nothing happened.
    @Test(arguments: Start.allCases)
    func `SIGQUIT ends a server at once`(_ start: Start) async throws {
        let server = try await server(start)
        try await start.send(SIGQUIT, to: server.process)
        let result = try await server.process.result()
        #expect(result.exit == start.end(by: SIGQUIT))
        #expect(!result.errors.contains("crash"), "\(result.errors)")
    }

    // They used to be lost, or to end it, until the server had been made.
    @Test(arguments: Start.allCases)
    func `signals that come while it starts are not lost`(_ start: Start) async throws {
        for signals in [[SIGTERM], [SIGINT], [SIGTERM, SIGINT], [SIGQUIT]] {
            let folder = try TemporaryFolder()
            let pipe = folder.path("settings")
            try systemCall("mkfifo") { unsafe mkfifo(pipe, 0o600) }
            let echo = try BuiltProduct.path(named: "echo")
            let command = start.wrapper + [echo, "--config", pipe, "--listen", "127.0.0.1:0"]
            let process = try RunningProcess(command[0], Array(command.dropFirst()))
            // It has come to read its settings when the pipe can be opened for writing.
            var writing: CInt = -1
            #expect(
                await eventually {
                    writing = unsafe open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
                    return writing >= 0
                }
            )
            let end = Descriptor(adopting: writing)
            for signal in signals { try await start.send(signal, to: process) }
            if signals == [SIGTERM] || signals == [SIGINT] {
                // The end of the settings: it goes on.
                _ = consume end
                let result = try await process.result()
                #expect(result.exit == .code(0), "\(result.errors)")
                #expect(result.output == [])
            } else {
                // The kernel gives the lower number first, if both are pending.
                let exit = try await process.exit()
                #expect(signals.contains { exit == start.end(by: $0) }, "\(exit)")
                _ = consume end
            }
        }
    }

    // It used to be taken for a server, which had nothing to drain and no end.
    @Test(arguments: Start.allCases, [SIGTERM, SIGINT, SIGHUP])
    func `checking the settings ends by a signal`(
        _ start: Start,
        _ signal: CInt
    ) async throws {
        let folder = try TemporaryFolder()
        let pipe = folder.path("settings")
        try systemCall("mkfifo") { unsafe mkfifo(pipe, 0o600) }
        let echo = try BuiltProduct.path(named: "echo")
        let command = start.wrapper + [echo, "--check-config", "--config", pipe]
        let process = try RunningProcess(command[0], Array(command.dropFirst()))
        var writing: CInt = -1
        #expect(
            await eventually {
                writing = unsafe open(pipe, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
                return writing >= 0
            }
        )
        let end = Descriptor(adopting: writing)
        try await start.send(signal, to: process)
        #expect(try await process.exit() == start.end(by: signal))
        _ = consume end
    }

    @Test(arguments: Start.allCases)
    func `SIGTERM, SIGINT, SIGQUIT and SIGHUP end a client, others do not`(
        _ start: Start
    ) async throws {
        let silent = try Listener(.loopback(port: 0))
        for signal in [SIGTERM, SIGINT, SIGQUIT, SIGHUP] {
            let echo = try BuiltProduct.path(named: "echo")
            let command = start.wrapper + [echo, "client", "\(silent.address)"]
            let process = try RunningProcess(
                command[0],
                Array(command.dropFirst()),
                input: .pipe
            )
            #expect(await eventually { silent.hasQueue })
            for other in [SIGUSR1, SIGALRM, SIGIO, SIGPROF] {
                try await start.send(other, to: process)
            }
            #expect(process.isRunning)
            try await start.send(signal, to: process)
            let result = try await process.result()
            #expect(result.exit == start.end(by: signal))
            #expect(!result.errors.contains("crash"), "\(result.errors)")
            guard case .accepted = silent.accept() else {
                Issue.record("no connection")
                return
            }
        }
    }
}
