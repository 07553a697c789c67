import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// The fault run, for seconds; `Scripts/fault-run` makes it one of hours.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct FaultRunTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `stops, signals, resets and shortages cost no byte, connection or descriptor`(
        _ model: EchoServer.IOModel
    ) async throws {
        let flags = ["--seconds", "2", "--clients", "60", "--faults-only", "--untimed"]
        let result = try await run(["--model", model.rawValue] + flags)
        #expect(result.exit == .code(0), "\(result.text)")
        #expect(result.text.hasPrefix("seed "))
        #expect(result.text.contains("\n\(model.rawValue): ok\n"), "\(result.text)")
    }

    @Test func `a complete run measures rest and a crowd as well`() async throws {
        let flags = ["--seconds", "1", "--clients", "20", "--crowd", "300", "--untimed"]
        let result = try await run(["--model", "completion-port", "--seed", "1"] + flags)
        #expect(result.exit == .code(0), "\(result.text)")
        #expect(result.text.hasPrefix("seed 1, "))
        #expect(result.text.contains("full with defer"), "\(result.text)")
    }

    @Test(arguments: [
        ("corrupts", " wrong bytes\n"), ("closes", "connections were lost"),
        ("resets", "connections were lost"),
    ])
    func `a server that does something wrong is found out`(
        _ fault: String,
        _ complaint: String
    ) async throws {
        let folder = try TemporaryFolder()
        let program = try BuiltProduct.path(named: "echo-fault-run")
        let script = """
            #!/bin/sh
            for argument; do case $argument in unix:*) path=${argument#unix:} ;; esac; done
            exec \(program) --serve-wrongly \(fault) --socket "$path"
            """
        _ = try folder.file("server", holding: [UInt8](script.utf8))
        let server = folder.path("server")
        try systemCall("chmod") { unsafe chmod(server, 0o755) }
        let flags = ["--seconds", "1", "--clients", "20", "--faults-only", "--untimed"]
        let result = try await run(["--model", "select", "--server", server] + flags)
        #expect(result.exit == .code(1), "\(result.text)")
        #expect(result.text.contains(complaint), "\(result.text)")
    }

    private func run(
        _ flags: [String]
    ) async throws -> (exit: RunningProcess.Exit, text: String) {
        let process = try RunningProcess(try BuiltProduct.path(named: "echo-fault-run"), flags)
        let result = try await process.result(within: .seconds(isSanitized ? 280 : 110))
        return (result.exit, String(decoding: result.output, as: UTF8.self) + result.errors)
    }
}
