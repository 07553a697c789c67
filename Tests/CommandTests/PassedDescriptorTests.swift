import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Peers of a Unix socket that pass descriptors whose closing takes long.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct PassedDescriptorTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `the kernel refuses descriptors, and the connection goes on`(
        _ model: EchoServer.IOModel
    ) async throws {
        let folder = try TemporaryFolder()
        let server = try await RunningServer(model, ["--listen", "unix:\(folder.path("s"))"])
        let passer = try Passer(to: server.address)
        #expect(try passer.pass() == EPERM)
        #expect(try await onThread { passer.echo("after") })
        try await server.expectExit()
    }

    /// As before Linux 6.16: what is passed arrives.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `where it cannot, a passed socket that lingers delays nobody`(
        _ model: EchoServer.IOModel
    ) async throws {
        let rule = InjectedFaults.Rule("setsockopt-\(SOL_SOCKET)-83", ENOPROTOOPT)
        let faults = try await InjectedFaults([rule], fromStart: true)
        let folder = try TemporaryFolder()
        let server = try await RunningServer(
            model,
            ["--listen", "unix:\(folder.path("s"))", "--log-level", "debug"],
            through: faults.wrapper
        )
        let sockets = server.figures.openSocketCount
        let neighbour = try await TestClient(to: server.address)
        defer { neighbour.close() }
        #expect(try await neighbour.exchange([1]) == [1])
        // Received at once; behind bytes that are not read, because the pending limit is reached;
        // and closed unread.
        let plain = try Passer(to: server.address)
        #expect(try await onThread { plain.echo("before") })
        let unread = try Passer(to: server.address)
        try await onThread { unread.fill() }
        // Stopped meanwhile, so that its copies are the last, whose closing waits.
        try await server.stop()
        for passer in [plain, plain, unread] { #expect(try passer.pass() == nil) }
        server.process.send(signal: SIGCONT)
        unread.close()
        #expect(try await neighbour.exchange([2, 3]) == [2, 3])
        _ = try await server.process.line(from: .standardError) { $0.contains("cause=failed") }
        #expect(try await neighbour.exchange([4, 5]) == [4, 5])
        plain.close()
        let late = try await EchoLoad(connections: 20, bytes: 5000).run(against: server.address)
        #expect(late.isComplete, "\(late)")
        neighbour.close()
        #expect(await eventually { server.figures.openSocketCount <= sockets })
        try await server.expectExit()
    }

    /// Those that nobody has accepted are closed with the listening socket.
    @Test func `what is queued when the server ends does not hold it up`() async throws {
        let rule = InjectedFaults.Rule("setsockopt-\(SOL_SOCKET)-83", ENOPROTOOPT)
        let faults = try await InjectedFaults([rule], fromStart: true)
        let folder = try TemporaryFolder()
        let server = try await RunningServer(
            .completionPort,
            [
                "--listen", "unix:\(folder.path("s"))", "--max-connections", "1", "--when-full",
                "defer", "--drain-timeout", "1s",
            ],
            through: faults.wrapper
        )
        let first = try await TestClient(to: server.address)
        defer { first.close() }
        #expect(try await first.exchange([1]) == [1])
        let queued = try (0..<3).map { _ in try Passer(to: server.address) }
        try await server.stop()
        for passer in queued { #expect(try passer.pass() == nil) }
        server.process.send(signal: SIGCONT)
        try await server.expectExit()
    }
}

extension RunningServer {
    /// Stops it until SIGCONT, with all its threads.
    fileprivate func stop() async throws {
        process.send(signal: SIGSTOP)
        let folder = "/proc/\(process.pid)/task"
        let hasStopped = await eventually {
            figures.threads.allSatisfy { thread in
                let status = String(decoding: readFile("\(folder)/\(thread)/stat"), as: UTF8.self)
                // The state follows the name, which is in parentheses, proc(5).
                return status.split(separator: ")").last?.hasPrefix(" T") != false
            }
        }
        try #require(hasStopped)
    }
}

extension ProcessFigures {
    fileprivate var threads: [String] {
        guard let folder = unsafe opendir("/proc/\(pid)/task") else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if Int(name) != nil { names.append(name) }
        }
        return names
    }

    fileprivate var openSocketCount: Int {
        openDescriptors.values.filter { $0.hasPrefix("socket:") }.count
    }
}

/// A client that passes descriptors.
private final class Passer: Sendable {
    private let socket: Locked<Socket?>
    // The peers of what it has passed, which must live on.
    private let passed = Locked<[LingeringSocket]>([])

    init(to address: SocketAddress) throws {
        socket = Locked(try connectedSocket(to: address))
    }

    func close() {
        socket.withLock { $0 = nil }
    }

    /// Passes a socket that lingers.
    ///
    /// - Returns: the error; `nil` if it was passed.
    func pass() throws -> CInt? {
        let lingering = try LingeringSocket()
        passed.withLock { $0.append(lingering) }
        return socket.withLock { socket in
            switch socket {
            case .some(let open): lingering.pass(through: open.number)
            case .none: EBADF
            }
        }
    }

    /// Sends until the server has stopped to read, with room for a little more.
    func fill() {
        let block = [UInt8](repeating: 2, count: 4096)
        socket.withLock { socket in
            switch socket {
            case .some(let open):
                while open.wait(for: POLLOUT, atMost: 300) & POLLOUT != 0 { open.sendBytes(block) }
            case .none: break
            }
        }
    }

    func echo(_ text: String) -> Bool {
        socket.withLock { socket in
            switch socket {
            case .some(let open):
                open.send(text: text)
                return open.receiveAll(text.utf8.count) == Array(text.utf8)
            case .none: return false
            }
        }
    }
}
