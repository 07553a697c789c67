import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// The tests' own control of programs must see what it is there to see.
@Suite(.timeLimit(.minutes(5)))
struct RunningProcessTests {
    @Test func `lines, exit code and errors are collected`() async throws {
        let process = try RunningProcess(
            "/bin/sh",
            ["-c", "echo $GREETING; pwd; echo wrong >&2; exit 3"],
            environment: ["GREETING": "hello there"],
            directory: "/"
        )
        #expect(try await process.line() == "hello there")
        #expect(try await process.line { $0.hasPrefix("/") } == "/")
        #expect(try await process.line(from: .standardError) == "wrong")
        #expect(try await process.exit() == .code(3))
        #expect(try await process.result().output == Array("hello there\n/\n".utf8))
    }

    @Test func `a line that never comes is an error that quotes what did`() async throws {
        let process = try RunningProcess("/bin/sh", ["-c", "echo this"])
        let error = await #expect(throws: DeadlineExceeded.self) {
            try await process.line { $0 == "that" }
        }
        #expect(error?.description.contains("this") == true)
    }

    @Test func `input is written, and ends`() async throws {
        let process = try RunningProcess("/bin/cat", input: .pipe)
        let bytes = PatternBytes(seed: 3).bytes(count: 300_000)
        try await process.write(bytes)
        process.closeInput()
        let result = try await process.result()
        #expect(result.exit == .code(0))
        #expect(result.output == bytes)
    }

    @Test func `a file as input`() async throws {
        let process = try RunningProcess("/bin/cat", input: .file("/proc/self/comm"))
        #expect(try await process.result().output.isEmpty == false)
    }

    @Test func `a terminal as input and output`() async throws {
        let script = "test -t 0 && test -t 1 && read line && echo got $line && cat"
        let process = try RunningProcess("/bin/sh", ["-c", script], input: .terminal)
        try await process.write("typed\n")
        _ = try await process.line { $0 == "got typed" }
        try await process.write("\u{4}")
        #expect(try await process.exit() == .code(0))
    }

    @Test func `a signal ends it, and is told`() async throws {
        let process = try RunningProcess("/bin/cat", input: .pipe)
        #expect(process.isRunning)
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .signal(SIGTERM))
        process.send(signal: SIGTERM)  // Nobody's now: goes nowhere.
    }

    @Test func `it is killed when nobody refers to it`() async throws {
        var process: RunningProcess? = try RunningProcess("/bin/sleep", ["1000"])
        let pid = try #require(process?.pid)
        #expect(kill(pid, 0) == 0)
        process = nil
        #expect(await eventually { kill(pid, 0) != 0 })
    }

    @Test func `a program that is not there is an error`() {
        let error = #expect(throws: SystemError.self) { try RunningProcess("/nonexistent") }
        #expect(error?.errno.rawValue == ENOENT)
    }

    @Test func `the kernel's figures grow with what a process does`() async throws {
        let process = try RunningProcess(
            "/bin/sh",
            ["-c", "read go; while :; do :; done"],
            input: .pipe
        )
        let figures = ProcessFigures(pid: process.pid)
        #expect(await eventually { figures.residentBytes > 100_000 })
        #expect(figures.anonymousBytes > 0 && figures.anonymousBytes < figures.residentBytes)
        #expect(figures.threadCount == 1)
        #expect(figures.openDescriptors[0]?.hasPrefix("pipe:") == true)
        #expect(await eventually { figures.openDescriptorCount == 3 })  // Its libraries are loaded.
        #expect(figures.cpuTime < .seconds(1))
        try await process.write("go\n")
        #expect(await eventually { figures.cpuTime > .milliseconds(50) })
    }

    @Test func `what the package builds is found beside the tests`() throws {
        #expect(try BuiltProduct.path(named: "echo").hasSuffix("/echo"))
        #expect(throws: BuiltProduct.NotFound.self) { try BuiltProduct.path(named: "no-such") }
    }
}
