import Glibc
import Sockets
import TestSupport
import Testing

@testable import EchoServer

/// Listening sockets that somebody else opened.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct InheritedSocketTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `TCP, IPv6 and Unix sockets are served as they are`(
        _ model: EchoServer.IOModel
    ) async throws {
        let path = temporarySocketPath()
        let sockets = [
            try ManagedSocket(.loopback(port: 0)), try ManagedSocket(.loopback6(port: 0)),
            try ManagedSocket(.unix(path)),
        ]
        defer { unsafe unlink(path) }
        let server = try serving(sockets, model)
        #expect(server.endpoints.map(\.address) == sockets.map(\.address))
        for socket in sockets {
            let report = try await EchoLoad(connections: 5, bytes: 50_000)
                .run(against: socket.address)
            #expect(report.isComplete, "\(socket.address): \(report)")
        }
        await server.shutdown(drainingFor: .zero)
        // What was not made here is not removed here.
        #expect(unsafe access(path, F_OK) == 0)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `what is queued when one server ends is served by the next`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try ManagedSocket(.loopback(port: 0))
        let first = try serving([socket], model)
        let open = try await TestClient(to: socket.address)
        defer { open.close() }
        #expect(try await open.exchange([1]) == [1])
        let ending = Task { await first.shutdown(drainingFor: .seconds(20)) }
        #expect(try await open.receiveToEnd().end == .finished)
        open.close()
        await ending.value
        let queued = try await TestClient(to: socket.address)
        defer { queued.close() }
        try await queued.send([2, 3])
        let second = try serving([socket], model)
        #expect(try await queued.receive(2) == [2, 3])
        await second.shutdown(drainingFor: .zero)
        #expect(first.statistics.accepted == 1)
        #expect(second.statistics.accepted == 1)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `one server after the other loses no connection`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try ManagedSocket(.loopback(port: 0))
        var statistics = EchoServer.Statistics()
        var load = EchoLoad(connections: 1500, bytes: 100)
        load.window = 4
        let running = try load.start(against: socket.address)
        var served = 0
        while served < 1500 {
            let server = try serving([socket], model)
            let next = min(served + 300, 1500)
            _ = await running.reaches {
                $0.echoed + $0.turnedAway + $0.endedEarly + $0.reset >= next
            }
            await server.shutdown(drainingFor: .seconds(20))
            statistics.accepted += server.statistics.accepted
            statistics.closed.merge(server.statistics.closed) { $0 + $1 }
            served = next
        }
        let report = try await running.report()
        #expect(report.refused == 0, "\(report)")
        #expect(statistics.accepted == 1500, "\(statistics)")
        // A client that the machine holds up for the quiet period is rightly ended.
        let ended = UInt64(report.connections - report.echoed)
        #expect(ended <= statistics.closed[.drained] ?? 0, "\(report) \(statistics)")
        #expect(statistics.closed[.aborted] == nil, "\(statistics)")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a connection that was held back is served, not dropped`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try ManagedSocket(.loopback(port: 0))
        let admits = Locked(false)
        let server = try serving([socket], model) {
            $0.admission = { _ in admits.withLock { $0 } ? .accept : .defer }
        }
        let client = try await TestClient(to: socket.address)
        defer { client.close() }
        await expectEventually(server, \.deferred, is: 1)
        let ending = Task { await server.shutdown(drainingFor: .seconds(20)) }
        #expect(await eventually { server.endpoints.isEmpty })
        try await client.send([7])
        admits.withLock { $0 = true }
        #expect(try await client.receive(1) == [7])
        client.close()
        await ending.value
        #expect(server.statistics.accepted == 1)
    }

    @Test func `after a start that failed the socket can be served`() async throws {
        let socket = try ManagedSocket(.loopback(port: 0))
        let taken = try Listener(.loopback(port: 0))
        let inherited = try socket.pass()
        var configuration = EchoServer.Configuration(inherited: [inherited])
        configuration.listen = [.tcp("127.0.0.1", port: taken.address.port ?? 0)]
        let failing = try EchoServer(configuration: configuration)
        let failure = #expect(throws: EchoServer.Failure.self) { try failing.start() }
        #expect(failure?.code == .addressInUse)
        configuration.listen = []
        let server = try EchoServer(configuration: configuration)
        #expect(try server.start().map(\.address) == [socket.address])
        let report = try await EchoLoad().run(against: socket.address)
        #expect(report.isComplete, "\(report)")
        // One server serves it.
        let second = try EchoServer(configuration: configuration)
        let again = #expect(throws: EchoServer.Failure.self) { try second.start() }
        #expect(again?.code == .unusableSocket)
        #expect(again?.message.hasSuffix("is served by another server") == true)
        await server.shutdown(drainingFor: .zero)
    }

    @Test func `a descriptor that cannot be served is named, and left alone`() throws {
        let pair = try ConnectedPair()
        let file = Descriptor(adopting: unsafe open("/dev/null", O_RDONLY | O_CLOEXEC))
        let kinds: [(CInt, String)] = [
            (1_000_000, "is not open"), (file.rawValue, "is not a socket"),
            (pair.server.number, "does not listen"),
        ]
        for (number, reason) in kinds {
            let failure = #expect(throws: EchoServer.Failure.self) {
                try EchoServer.InheritedSocket(descriptor: number, name: "a\nb")
            }
            #expect(failure?.code == .unusableSocket)
            #expect(
                failure?.message
                    == "cannot serve inherited descriptor \(number) (a\\nb): it \(reason)"
            )
        }
        #expect(fcntl(file.rawValue, F_GETFD) >= 0)
        #expect(fcntl(pair.server.number, F_GETFD) >= 0)
    }

    @Test func `datagram and other sockets are named for what they are`() throws {
        let kinds: [(CInt, __socket_type, String)] = [
            (AF_INET, SOCK_DGRAM, "is a datagram socket"),
            (AF_UNIX, SOCK_DGRAM, "is a datagram socket"),
            (AF_UNIX, SOCK_SEQPACKET, "is neither a TCP socket nor a Unix stream socket"),
        ]
        for (family, type, reason) in kinds {
            let number = try systemCall("socket") { socket(family, CInt(type.rawValue), 0) }
            let descriptor = Descriptor(adopting: number)
            let objection = #expect(throws: ListeningDescriptor.Objection.self) {
                try ListeningDescriptor(checking: descriptor.rawValue)
            }
            #expect(objection?.description == reason)
        }
    }

    private func serving(
        _ sockets: [ManagedSocket],
        _ model: EchoServer.IOModel,
        _ configure: (inout EchoServer.Configuration) -> Void = { _ in }
    ) throws -> EchoServer {
        var configuration = EchoServer.Configuration(model: model, listen: [])
        configuration.inherited = try sockets.map { try $0.pass() }
        configure(&configuration)
        let server = try EchoServer(configuration: configuration)
        try server.start()
        return server
    }
}

/// The variables of socket activation.
struct ListenEnvironmentTests {
    private func names(_ process: String?, _ count: String?, _ names: String?) throws -> [String] {
        try ListenEnvironment(process: process, count: count, names: names).names(for: 4711)
    }

    @Test func `descriptors have the names that are given, or unknown`() throws {
        #expect(try names("4711", "3", "echo:admin:echo") == ["echo", "admin", "echo"])
        #expect(try names("4711", "2", nil) == ["unknown", "unknown"])
        #expect(try names("4711", "2", ":a") == ["unknown", "a"])
        #expect(try names("4711", "0", nil) == [])
        #expect(try names("4711", "0", "") == [])
    }

    @Test func `those of another process, or of nobody, are not taken`() throws {
        #expect(try names("4712", "3", "a:b:c") == [])
        #expect(try names("4712", "nonsense", nil) == [])
        #expect(try names(nil, "3", "a:b:c") == [])
        #expect(try names("4711", nil, nil) == [])
    }

    @Test(arguments: [
        ("", "1", "a", #"LISTEN_PID is "";"#),
        ("0", "1", "a", #"LISTEN_PID is "0";"#),
        ("-1", "1", "a", #"LISTEN_PID is "-1";"#),
        ("x\u{1B}", "1", "a", #"LISTEN_PID is "x\u{1B}";"#),
        ("4711", "", "", #"LISTEN_FDS is "";"#),
        ("4711", "-1", "a", #"LISTEN_FDS is "-1";"#),
        ("4711", "99999999999999999999", "a", #"LISTEN_FDS is "99999999999999999999";"#),
        ("4711", "65537", "a", #"LISTEN_FDS is "65537";"#),
        ("4711", "2", "a", "LISTEN_FDNAMES has 1 names for the 2 descriptors"),
        ("4711", "1", "a:", "LISTEN_FDNAMES has 2 names for the 1 descriptors"),
    ])
    func `a value that makes no sense is named`(
        _ process: String,
        _ count: String,
        _ names: String,
        _ message: String
    ) {
        let failure = #expect(throws: EchoServer.Failure.self) {
            try self.names(process, count, names)
        }
        #expect(failure?.code == .invalidConfiguration)
        #expect(failure?.message.hasPrefix(message) == true, "\(failure?.message ?? "")")
    }
}

/// A listening socket that a service manager keeps, and passes to one server after another.
private final class ManagedSocket: Sendable {
    let address: SocketAddress
    private let descriptor: Descriptor

    init(_ wanted: SocketAddress) throws {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket") { socket(wanted.family, type, 0) }
        descriptor = Descriptor(adopting: number)
        try systemCall("bind") { unsafe wanted.withSockaddr { unsafe bind(number, $0, $1) } }
        try systemCall("listen") { listen(number, SOMAXCONN) }
        address = try ListeningDescriptor(checking: number).address
    }

    /// What a server gets of it.
    func pass() throws -> EchoServer.InheritedSocket {
        try EchoServer.InheritedSocket(descriptor: descriptor.duplicate().release(), name: "test")
    }
}
