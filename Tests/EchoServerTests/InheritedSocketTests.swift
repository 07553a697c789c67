import EchoSockets
import EchoTestSupport
import Glibc
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

    /// Some options cannot be set on these, and plain clients inherit nothing from them.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a socket of multipath TCP is served, to clients of either kind`(
        _ model: EchoServer.IOModel
    ) async throws {
        let socket = try ManagedSocket(.loopback(port: 0), protocolNumber: 262)
        let server = try serving([socket], model) { $0.idleTimeout = .seconds(60) }
        for number: CInt in [262, 0] {
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ Int(number)) }
            let back = try await onThread {
                let client = Socket(
                    Descriptor(
                        adopting: try systemCall("socket") {
                            Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), number)
                        }
                    )
                )
                _ = try client.connect(to: socket.address)
                try client.descriptor.setNonBlocking(true)
                return try exchange(bytes, on: client)
            }
            #expect(back == bytes, "\(number)")
        }
        await server.shutdown(drainingFor: .zero)
        #expect(server.statistics.closed == [.peerClosed: 2], "\(server.statistics)")
    }

    // Sends everything and the end, and receives to the end.
    private func exchange(_ bytes: [UInt8], on client: borrowing Socket) throws -> [UInt8] {
        var (rest, back, hasEnded) = (bytes[...], [UInt8](), false)
        while true {
            if rest.isEmpty, !hasEnded {
                client.shutdown(.sending)
                hasEnded = true
            }
            let events = rest.isEmpty ? POLLIN : POLLIN | POLLOUT
            let ready = client.wait(for: events, atMost: patience.millisecondsRoundedUp)
            try #require(ready != 0, "\(back.count) bytes back")
            if ready & POLLOUT != 0, case .bytes(let count) = client.sendBytes(Array(rest)) {
                rest = rest.dropFirst(count)
            }
            guard ready & ~POLLOUT != 0 else { continue }
            let (outcome, part) = client.receiveBytes(atMost: 65_536)
            back += part
            switch outcome {
            case .bytes, .wouldBlock, .interrupted: continue
            case .endOfStream: return back
            case .failed(let errno): throw SystemError(call: "recv", errno: errno)
            }
        }
    }

    /// The kernel refuses descriptors only from the moment that the server has the socket.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a descriptor that was passed before the server came delays nobody`(
        _ model: EchoServer.IOModel
    ) async throws {
        let path = temporarySocketPath()
        let socket = try ManagedSocket(.unix(path))
        defer { unsafe unlink(path) }
        let queued = try await TestClient(to: socket.address)
        defer { queued.close() }
        let passer = try connectedSocket(to: socket.address)
        let lingering = try LingeringSocket()
        #expect(lingering.pass(through: passer.number) == nil)
        let server = try serving([socket], model)
        #expect(try await queued.exchange([1]) == [1])
        #expect(passer.receiveAll(1) == [])
        let late = try connectedSocket(to: socket.address)
        #expect(try LingeringSocket().pass(through: late.number) == EPERM)
        #expect(try await queued.exchange([2]) == [2])
        await expectEventually(server, { $0.closed }, is: [.failed: 1])
        await server.shutdown(drainingFor: .zero)
    }

    @Test func `connections have the options, also those that came before the server`()
        async throws
    {
        let socket = try ManagedSocket(.loopback(port: 0))
        let early = try await TestClient(to: socket.address)
        defer { early.close() }
        let server = try serving([socket], .select) { $0.keepalive = .seconds(9) }
        let late = try await TestClient(to: socket.address)
        defer { late.close() }
        for client in [early, late] {
            #expect(try await client.exchange([1]) == [1])
            let peer = try #require(client.localAddress)
            let found = ProcessFigures().openDescriptors.keys.compactMap { number in
                acceptedOptions(number, of: peer)
            }
            #expect(found == [[1, 9, 3, 3, 17_500, 131_072, 1]])
        }
        await server.shutdown(drainingFor: .zero)
    }

    // What the server's end of a connection has; `nil` for other descriptors.
    private func acceptedOptions(_ number: CInt, of peer: SocketAddress) -> [CInt]? {
        let tcp = CInt(IPPROTO_TCP)
        let options: [(CInt, CInt)] = [
            (SOL_SOCKET, SO_KEEPALIVE), (tcp, TCP_KEEPIDLE), (tcp, TCP_KEEPINTVL),
            (tcp, TCP_KEEPCNT), (tcp, TCP_USER_TIMEOUT), (tcp, TCP_NOTSENT_LOWAT),
            (tcp, TCP_NODELAY),
        ]
        let socket = Socket(Descriptor(adopting: number))
        var values: [CInt]?
        if socket.peerAddress == peer {
            values = []
            for (level, name) in options {
                values?.append((try? socket.option(level: level, name)) ?? -1)
            }
        }
        _ = socket.release()
        return values
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
        let unconnected = try Socket(family: AF_INET)
        let kinds: [(CInt, String)] = [
            (1_000_000, "is not open"), (file.rawValue, "is not a socket"),
            (unconnected.number, "does not listen"),
            (
                pair.server.number,
                "is a connection, not a listening socket; set Accept=no in its socket unit"
            ),
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

    init(_ wanted: SocketAddress, protocolNumber: CInt = 0) throws {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let number = try systemCall("socket") { socket(wanted.family, type, protocolNumber) }
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
