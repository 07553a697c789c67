import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@testable import EchoServer

/// Servers of datagrams, whatever the model.
@Suite(.timeLimit(.minutes(5)))
struct DatagramServerTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `datagrams of every size come back, from the address that was asked`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withDatagramServer(model, at: "0.0.0.0") { server, address in
            let asked = try #require(
                SocketAddress(numeric: "127.0.0.2", port: address.port ?? 0)
            )
            let sizes = [0, 1, 2, 512, 1_472, 1_473, 9_000, 65_507]
            try await onThread {
                let client = try DatagramClient()
                for size in sizes {
                    let bytes = pattern(size)
                    let answer = try client.exchange(bytes, with: asked)
                    #expect(answer?.bytes == bytes, "\(size) bytes")
                    #expect(answer?.source == asked)
                }
            }
            await expectEventually(server, \.datagramsSent, is: 8)
            let statistics = server.statistics
            #expect(statistics.datagramsReceived == 8)
            #expect(statistics.bytesReceived == UInt64(sizes.reduce(0, +)))
            #expect(statistics.bytesSent == statistics.bytesReceived)
            #expect(statistics.datagramsRefusedTotal == 0)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `datagrams of IPv6, and connections, are served beside those of IPv4`(
        _ model: EchoServer.IOModel
    ) async throws {
        var configuration = EchoServer.Configuration(model: model)
        configuration.listen = [
            .udp("127.0.0.1", port: 0), .tcp("127.0.0.1", port: 0), .udp("::1", port: 0),
        ]
        let server = try EchoServer(configuration: configuration)
        let endpoints = try server.start()
        #expect(server.endpoints == endpoints)
        guard case .udp("127.0.0.1", _) = endpoints[0], case .tcp = endpoints[1],
            case .udp("::1", _) = endpoints[2]
        else {
            Issue.record("\(endpoints)")
            return
        }
        let addresses = endpoints.compactMap(\.address)
        let client = try await TestClient(to: addresses[1])
        #expect(try await client.exchange([1, 2]) == [1, 2])
        try await onThread {
            let four = try DatagramClient()
            let six = try DatagramClient(at: .loopback6(port: 0))
            #expect(try four.exchange([4], with: addresses[0])?.bytes == [4])
            #expect(try six.exchange([6], with: addresses[2])?.bytes == [6])
            #expect(try four.exchange([5], with: addresses[0])?.source == addresses[0])
        }
        #expect(await server.isResponsive(within: patience))
        client.close()
        try await withDeadline { await server.shutdown(drainingFor: .seconds(5)) }
        #expect(server.statistics.datagramsSent == 3)
        #expect(server.statistics.accepted == 1)
        // The ports are free again.
        for address in [addresses[0], addresses[2]] { _ = try DatagramSocket(address) }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `bursts of 500, and datagrams that come as one message, all come back`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withDatagramServer(model) { server, address in
            try await onThread {
                let client = try DatagramClient()
                for number in 0..<500 { try client.send(bytes(of: number), to: address) }
                var numbers: Set<[UInt8]> = []
                while numbers.count < 500, let answer = try client.receive() {
                    numbers.insert(answer.bytes)
                }
                #expect(numbers == Set((0..<500).map(bytes(of:))))
                try client.setSegmentLength(1_400)
                let joined = pattern(40 * 1_400 + 100)
                try client.send(joined, to: address)
                var returned: [UInt8] = []
                while returned.count < joined.count, let answer = try client.receive() {
                    returned += answer.bytes
                }
                #expect(returned == joined)
            }
            await expectEventually(server, \.datagramsSent, is: 541)
            #expect(server.statistics.datagramsDropped == 0)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `each of 64 clients gets back what it has sent, and nothing else`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withDatagramServer(model) { server, address in
            try await onThread {
                let clients = try (0..<64).map { _ in try DatagramClient() }
                // No more at a time than the smallest default of a socket's buffer keeps.
                for round in UInt8(0)..<20 {
                    for (number, client) in clients.enumerated() {
                        try client.send([UInt8(number), round], to: address)
                    }
                    for (number, client) in clients.enumerated() {
                        let answer = try client.receive()?.bytes
                        #expect(answer == [UInt8(number), round])
                    }
                }
            }
            await expectEventually(server, \.datagramsSent, is: 64 * 20)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `peers that are gone disturb nobody`(_ model: EchoServer.IOModel) async throws {
        try await withDatagramServer(model) { server, address in
            try await onThread {
                for round in 0..<20 {
                    var gone: DatagramClient? = try DatagramClient()
                    try gone?.send([0], to: address)
                    gone = nil
                    let client = try DatagramClient()
                    let answer = try client.exchange([UInt8(round)], with: address)
                    #expect(answer?.bytes == [UInt8(round)])
                }
            }
            await expectEventually(server, \.datagramsReceived, is: 40)
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases, [true, false])
    func `what may be part of a loop is counted and not answered`(
        _ model: EchoServer.IOModel,
        _ isGuarded: Bool
    ) async throws {
        try await withDatagramServer(model, at: "0.0.0.0") {
            $0.listen.append(.udp("127.0.0.1", port: 0))
            $0.loopGuard = isGuarded
            $0.datagramRate = 5
        } _: { server, address in
            let port = address.port ?? 0
            // On which the server listens as well, if on another address.
            let ownPort = try #require(server.endpoints.last?.port)
            try await onThread {
                let client = try DatagramClient()
                try client.allowBroadcast()
                try client.send([1], to: .ipv4(0x7FFF_FFFF, port: port))
                let own = try DatagramClient(at: .ipv4(0x7F00_0003, port: ownPort))
                try own.send([2], to: .loopback(port: port))
                for number in UInt8(0)..<20 {
                    try client.send([3, number], to: .loopback(port: port))
                }
            }
            await expectEventually(
                server,
                { $0.datagramsSent + $0.datagramsRefusedTotal },
                is: 22
            )
            #expect(server.statistics.datagramsReceived == 22)
            let refused = server.statistics.datagramsRefused
            #expect(refused[.group] == 1)
            #expect(refused[.ownPort] == (isGuarded ? 1 : nil))
            // Two seconds' worth, and what has been added since.
            let limited = refused[.rate] ?? 0
            #expect(isGuarded ? (1...10).contains(limited) : limited == 0)
            #expect(server.statistics.datagramsSent == 21 - (isGuarded ? 1 + limited : 0))
        }
    }

    /// Nothing that was received is left unanswered, and no later datagram gets no answer and no
    /// error for it.
    @Test(arguments: EchoServer.IOModel.allCases)
    func `what is queued at the shutdown is answered`(_ model: EchoServer.IOModel) async throws {
        let configuration = EchoServer.Configuration(
            model: model,
            listen: [.udp("127.0.0.1", port: 0)]
        )
        let server = try EchoServer(configuration: configuration)
        let address = try #require(try server.start().first?.address)
        let client = try DatagramClient()
        for number in 0..<200 { try client.send(bytes(of: number), to: address) }
        try await withDeadline { await server.shutdown(drainingFor: .seconds(5)) }
        #expect(server.statistics.datagramsReceived == 200)
        #expect(server.statistics.datagramsSent == 200)
        let closed = MonotonicTime.now
        try await onThread {
            var count = 0
            while count < 200, try client.receive() != nil { count += 1 }
            #expect(count == 200)
        }
        #expect(MonotonicTime.now - closed < patience)
        _ = try DatagramSocket(address)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `an inherited socket is served, and keeps what comes after the shutdown`(
        _ model: EchoServer.IOModel
    ) async throws {
        let number = try systemCall("socket") { socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0) }
        let original = Descriptor(adopting: number)
        let anywhere = SocketAddress.loopback(port: 0)
        try systemCall("bind") { unsafe anywhere.withSockaddr { unsafe bind(number, $0, $1) } }
        let copy = try original.duplicate().release()
        let inherited = try EchoServer.InheritedSocket(descriptor: copy, name: "datagrams")
        let address = try #require(inherited.endpoint.address)
        #expect(inherited.endpoint == .udp("127.0.0.1", port: address.port ?? 0))
        let configuration = EchoServer.Configuration(
            model: model,
            listen: [],
            inherited: [inherited]
        )
        let server = try EchoServer(configuration: configuration)
        #expect(try server.start() == [inherited.endpoint])
        let client = try DatagramClient()
        try await onThread { [address] in
            let client = try DatagramClient()
            #expect(try client.exchange([1], with: address)?.bytes == [1])
        }
        try await withDeadline { await server.shutdown(drainingFor: .seconds(5)) }
        try client.send([2], to: address)
        #expect(isReadable(original.rawValue))
        var byte: UInt8 = 0
        #expect(unsafe recv(original.rawValue, &byte, 1, 0) == 1)
        #expect(byte == 2)
    }

    @Test func `an address in use is named, with its scheme`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let port = try #require(socket.address.port)
        let configuration = EchoServer.Configuration(listen: [.udp("127.0.0.1", port: port)])
        let server = try EchoServer(configuration: configuration)
        let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(failure?.code == .addressInUse)
        #expect(
            failure?.message == "cannot listen on udp:127.0.0.1:\(port): Address already in use"
        )
    }

    @Test func `the addresses of a host share the port that the kernel chooses`() throws {
        let configuration = EchoServer.Configuration(listen: [.udp("localhost", port: 0)])
        let server = try EchoServer(configuration: configuration)
        let endpoints = try server.start()
        #expect(endpoints.count == 2)
        #expect(endpoints[0].port == endpoints[1].port)
        server.shutdownAndWait(drainingFor: .zero)
    }
}

private func bytes(of number: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: number), UInt8(truncatingIfNeeded: number >> 8)]
}

private func pattern(_ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
}

/// As `withServer`, for datagrams.
private func withDatagramServer(
    _ model: EchoServer.IOModel,
    at host: String = "127.0.0.1",
    _ configure: (inout EchoServer.Configuration) -> Void = { _ in },
    _ body: (EchoServer, SocketAddress) async throws -> Void
) async throws {
    try await withServer(model) {
        $0.listen = [.udp(host, port: 0)]
        configure(&$0)
    } _: { server, address in
        try await body(server, address)
    }
}
