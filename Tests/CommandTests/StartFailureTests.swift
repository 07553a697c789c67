import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// A start that fails: one line that says why, the right exit code, and an end.
@Suite(
    .timeLimit(.minutes(5)),
    .disabled(if: isSanitized, "a sanitizer opens files and starts threads of its own")
)
struct StartFailureTests {
    /// Starts a server whose calls fail from the given one on.
    ///
    /// - Returns: whether it serves all the same; it has been ended then.
    private static func starts(
        _ model: EchoServer.IOModel,
        through wrapper: [String],
        codes: Set<CInt>,
        reason: String
    ) async throws -> Bool {
        let echo = try BuiltProduct.path(named: "echo")
        let arguments = [echo, "--model", model.rawValue, "--listen", "127.0.0.1:0"]
        let command = wrapper + arguments
        let process = try RunningProcess(command[0], Array(command.dropFirst()))
        let settled = await eventually {
            !process.isRunning || !process.lines(of: .standardOutput).isEmpty
        }
        #expect(settled, "it neither serves nor ends: \(process.text(of: .standardError))")
        guard process.isRunning else {
            let result = try await process.result()
            let about = "\(result.exit): \(result.errors)"
            if case .code(let code) = result.exit {
                #expect(codes.contains(code), "\(about)")
            } else {
                Issue.record("\(about)")
            }
            #expect(result.output.isEmpty)
            #expect(result.errors.outputLines.count == 1, "\(about)")
            #expect(result.errors.hasPrefix("echo: cannot "), "\(about)")
            #expect(result.errors.hasSuffix(": \(reason)\n"), "\(about)")
            return false
        }
        process.send(signal: SIGTERM)
        #expect(try await process.exit() == .code(0))
        return true
    }

    @Test(arguments: [
        ("socket", EMFILE, 71), ("socket", EPERM, 77), ("bind", EADDRINUSE, 69),
        ("bind", EACCES, 77), ("bind", ENOMEM, 71), ("listen", ENOBUFS, 71),
        ("listen", EADDRINUSE, 69), ("getsockname", ENOBUFS, 71),
    ])
    func `a socket that cannot be opened is named with the reason`(
        _ call: String,
        _ errno: CInt,
        _ code: CInt
    ) async throws {
        for from in 0..<4 {
            let faults = try await InjectedFaults([.init(call, errno, from: from)], fromStart: true)
            let serves = try await Self.starts(
                .completionPort,
                through: faults.wrapper,
                codes: [code],
                reason: "\(Errno(rawValue: errno))"
            )
            #expect(serves == (faults.failures == [0]), "call \(from)")
            if serves { return }
        }
        Issue.record("it never started")
    }

    static let modelCases = EchoServer.IOModel.allCases.flatMap { model in
        [
            ("eventfd", EMFILE), ("epoll_create1", ENFILE), ("epoll_ctl", ENOSPC),
            ("pthread_create", EAGAIN),
        ].map { (model, $0.0, $0.1) }
    }

    @Test(arguments: modelCases)
    func `a model that cannot be started says why`(
        _ model: EchoServer.IOModel,
        _ call: String,
        _ errno: CInt
    ) async throws {
        // Dispatch retries by itself, for ever: it is asked for threads only if there are some.
        let limit = model == .completionPort && call == "pthread_create" ? 4 : 12
        for from in 0..<limit {
            let faults = try await InjectedFaults([.init(call, errno, from: from)], fromStart: true)
            let serves = try await Self.starts(
                model,
                through: faults.wrapper,
                codes: [71],
                reason: "\(Errno(rawValue: errno))"
            )
            if serves { return }
        }
        #expect(limit == 4, "it never started")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `with so few descriptors it serves, or says that there are too few`(
        _ model: EchoServer.IOModel
    ) async throws {
        // Below, the dynamic loader has none left to load the program with.
        var limit = 5
        while true {
            let serves = try await Self.starts(
                model,
                through: ["/usr/bin/prlimit", "--nofile=\(limit)"],
                codes: [71],
                reason: "\(Errno(rawValue: EMFILE))"
            )
            if serves { break }
            limit += 1
        }
        #expect(limit <= 16)
    }
}
