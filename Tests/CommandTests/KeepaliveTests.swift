import CEchoLinux
import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Peers that vanish: a network of two hosts, whose link is taken down.
@Suite(
    .timeLimit(.minutes(5)),
    .serialized,
    .enabled(if: geteuid() == 0, "only root can make a network")
)
struct KeepaliveTests {
    private static let flags = ["--keepalive", "1s", "--log-level", "debug"]

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a vanished peer is noticed, idle or owed bytes`(
        _ model: EchoServer.IOModel
    ) async throws {
        let network = try await TestNetwork()
        let server = try await network.server(["--model", model.rawValue] + Self.flags)
        let (idle, owed) = (try await network.connect(), try await network.connect())
        try await owed.echo("owed")
        try await idle.echo("idle")
        // What it sends back from here on finds no way.
        server.send(signal: SIGSTOP)
        try await owed.send("lost")
        try await network.cut()
        server.send(signal: SIGCONT)
        let lost = try await closed(server, count: 2)
        #expect(lost.allSatisfy { $0.contains("cause=peer-lost") }, "\(lost)")
        server.send(signal: SIGTERM)
        #expect(try await server.exit() == .code(0))
    }

    @Test func `a peer that answers is kept, however long it is idle`() async throws {
        let network = try await TestNetwork()
        let server = try await network.server(["--model", "select"] + Self.flags)
        let idle = try await network.connect()
        try await idle.echo("idle")
        try await letPass(.seconds(6))
        try await idle.echo("still here")
        #expect(closedLines(server).isEmpty)
    }

    @Test func `it is noticed on an inherited socket, also if it came before the server`()
        async throws
    {
        let network = try await TestNetwork()
        let server = try await network.activatedServer(Self.flags)
        // Starts the server, and is in the queue before it sets any option.
        let first = try await network.connect()
        try await first.echo("first")
        let second = try await network.connect()
        try await second.echo("second")
        try await network.cut()
        let lost = try await closed(server, count: 2)
        #expect(lost.allSatisfy { $0.contains("cause=peer-lost") }, "\(lost)")
    }

    private func closedLines(_ server: RunningProcess) -> [String] {
        server.lines(of: .standardError).filter { $0.contains("connection closed") }
    }

    private func closed(_ server: RunningProcess, count: Int) async throws -> [String] {
        let isDone = await eventually(within: .seconds(30)) { closedLines(server).count >= count }
        #expect(isDone, "\(server.lines(of: .standardError))")
        return closedLines(server)
    }
}

/// Two hosts and a link between them: namespaces of processes that do nothing else.
private final class TestNetwork: Sendable {
    private static let address: SocketAddress = .ipv4(0x0A4D_0001, port: 7)  // 10.77.0.1
    private let serving: RunningProcess
    private let visiting: RunningProcess

    init() async throws {
        serving = try RunningProcess("/usr/bin/unshare", ["--net", "/bin/sleep", "600"])
        visiting = try RunningProcess("/usr/bin/unshare", ["--net", "/bin/sleep", "600"])
        let own = Self.namespace(getpid())
        for process in [serving, visiting] {
            let isApart = await eventually {
                ![own, nil].contains(Self.namespace(process.pid))
            }
            try #require(isApart)
        }
        let peer = ["peer", "name", "veth-b", "netns", "\(visiting.pid)"]
        try await ip(serving, ["link", "add", "name", "veth-a", "type", "veth"] + peer)
        for (process, name, host) in [(serving, "veth-a", 1), (visiting, "veth-b", 2)] {
            try await ip(process, ["address", "add", "10.77.0.\(host)/24", "dev", name])
            try await ip(process, ["link", "set", name, "up"])
        }
    }

    private static func namespace(_ pid: pid_t) -> UInt64? {
        var status = stat()
        return unsafe stat("/proc/\(pid)/ns/net", &status) == 0 ? UInt64(status.st_ino) : nil
    }

    private func ip(_ process: RunningProcess, _ arguments: [String]) async throws {
        let command = try RunningProcess("/usr/bin/env", enter(process) + ["ip"] + arguments)
        let result = try await command.result()
        try #require(result.exit == .code(0), "\(arguments): \(result.errors)")
    }

    private func enter(_ process: RunningProcess) -> [String] {
        ["nsenter", "--net=/proc/\(process.pid)/ns/net"]
    }

    /// A server of port 7.
    func server(_ flags: [String]) async throws -> RunningProcess {
        let echo = [try BuiltProduct.path(named: "echo"), "--listen", "\(Self.address)"]
        let server = try RunningProcess("/usr/bin/env", enter(serving) + echo + flags)
        _ = try await server.line { $0.hasPrefix("listening on ") }
        return server
    }

    /// One that is started by the first connection.
    func activatedServer(_ flags: [String]) async throws -> RunningProcess {
        let activate = ["systemd-socket-activate", "-l", "\(Self.address)"]
        let command = enter(serving) + activate + [try BuiltProduct.path(named: "echo")]
        let server = try RunningProcess("/usr/bin/env", command + flags)
        _ = try await server.line(from: .standardError) { $0.contains("Listening on") }
        return server
    }

    /// Connects from the other host.
    func connect() async throws -> Visitor {
        let path = "/proc/\(visiting.pid)/ns/net"
        return Visitor(
            try await onThread {
                let namespace = Descriptor(adopting: unsafe open(path, O_RDONLY | O_CLOEXEC))
                try systemCall("setns") { setns(namespace.rawValue, CInt(CLONE_NEWNET)) }
                return try connectedSocket(to: Self.address).release()
            }
        )
    }

    /// Takes the link down, at the other end.
    func cut() async throws {
        try await ip(visiting, ["link", "set", "veth-b", "down"])
    }
}

/// A connection from the other host.
private final class Visitor: Sendable {
    private let socket: Socket

    init(_ number: CInt) {
        socket = Socket(Descriptor(adopting: number))
    }

    func send(_ text: String) async throws {
        _ = try await onThread { [self] in socket.send(text: text) }
    }

    func echo(_ text: String) async throws {
        try await send(text)
        let back = try await onThread { [self] in socket.receiveAll(text.utf8.count) }
        #expect(back == Array(text.utf8))
    }
}
