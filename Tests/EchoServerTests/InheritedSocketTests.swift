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
            (AF_INET, SOCK_DGRAM, "is a UDP socket without a port"),
            (
                AF_UNIX, SOCK_DGRAM,
                "is a Unix datagram socket; set ListenStream= in its socket unit"
            ),
            (AF_NETLINK, SOCK_DGRAM, "is a datagram socket, and not of UDP"),
            (AF_UNIX, SOCK_SEQPACKET, "is no TCP or UDP socket, and no Unix stream socket"),
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
}
