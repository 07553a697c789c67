import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// What starting does and what it refuses, each with its own code and message.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct StartTests {
    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server can be started once`(_ model: EchoServer.IOModel) async throws {
        try await withServer(model) { server, address in
            let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
            #expect(failure?.code == .alreadyStarted)
            #expect(failure?.message == "the server was started before")
            let report = try await EchoLoad().run(against: address)
            #expect(report.isComplete, "\(report)")
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `after a shutdown it cannot be started`(_ model: EchoServer.IOModel) async throws {
        let server = try makeServer(model)
        try server.start()
        await server.shutdown()
        let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(failure?.code == .alreadyShutDown)
        #expect(failure?.message == "the server was shut down before")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a shutdown before the start makes it impossible`(_ model: EchoServer.IOModel) async throws
    {
        let server = try makeServer(model)
        await server.shutdown()
        let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(failure?.code == .alreadyShutDown)
        let second = await #expect(throws: EchoServer.Failure.self) { try await server.run() }
        #expect(second?.code == .alreadyShutDown)
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `endpoints are those bound, while it serves`(_ model: EchoServer.IOModel) async throws {
        // Not where other tests listen: a port that is closed here may be theirs a moment later.
        let server = try makeServer(model, listen: [.tcp("127.0.6.2", port: 0)])
        #expect(server.endpoints == [])
        let started = try server.start()
        #expect(started.map(\.host) == ["127.0.6.2"])
        #expect(try #require(started[0].port) > 0)
        #expect(server.endpoints == started)
        await server.shutdown()
        #expect(server.endpoints == [])
        let address = try #require(started[0].address)
        let report = try await EchoLoad().run(against: address)
        #expect(report.refused == 1, "\(report)")
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `port 0 of localhost is one port of 127.0.0.1 and of ::1`(
        _ model: EchoServer.IOModel
    ) async throws {
        try await withServer(model) {
            $0.listen = [.tcp("localhost", port: 0)]
        } _: { server, _ in
            #expect(server.endpoints.map(\.host) == ["127.0.0.1", "::1"])
            #expect(Set(server.endpoints.map(\.port)).count == 1)
            for endpoint in server.endpoints {
                let report = try await EchoLoad().run(against: try #require(endpoint.address))
                #expect(report.isComplete, "\(endpoint): \(report)")
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `an address in use is named, and the server can be started when it is free`(
        _ model: EchoServer.IOModel
    ) async throws {
        // An address of its own: no client of another test may be given the port when it is free.
        let host = "127.3.2.1"
        var other: OpenListener? = OpenListener(try Listener(.ipv4(0x7F03_0201, port: 0)))
        let taken = try #require(other?.address.port)
        let free = EchoServer.Endpoint.tcp("127.0.0.1", port: 0)
        try await withServer(model) { _, _ in
            // The second endpoint fails: the first must not stay open.
            let path = temporarySocketPath()
            let listen = [free, .unix(path), .tcp(host, port: taken)]
            let server = try EchoServer(configuration: .init(model: model, listen: listen))
            let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
            #expect(failure?.code == .addressInUse)
            #expect(
                failure?.message == "cannot listen on \(host):\(taken): Address already in use"
            )
            #expect(failure?.errorNumber == EADDRINUSE)
            #expect(unsafe access(path, F_OK) != 0, "the Unix socket's file is left")
            #expect(server.endpoints == [])
            other = nil
            #expect(try server.start().last?.port == taken)
            await server.shutdown()
        }
    }

    @Test func `a host that does not exist is named`() throws {
        let listen = [EchoServer.Endpoint.tcp("no-such-host.invalid", port: 0)]
        let server = try EchoServer(configuration: .init(model: .select, listen: listen))
        let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(failure?.code == .unknownHost)
        let message = failure?.message ?? ""
        #expect(message.hasPrefix("cannot listen on no-such-host.invalid:0: "), "\(message)")
    }

    @Test func `an address that this host does not have is named`() throws {
        let listen = [EchoServer.Endpoint.tcp("192.0.2.1", port: 0)]
        let server = try EchoServer(configuration: .init(model: .select, listen: listen))
        let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(failure?.code == .addressUnavailable)
        #expect(
            failure?.message == "cannot listen on 192.0.2.1:0: Cannot assign requested address"
        )
    }

    @Test(arguments: [
        ("fe80::1", "a link-local address needs its network interface: write "),
        ("fe80::1%nope", "there is no network interface nope"),
    ])
    func `a network interface that is lacking is named`(_ host: String, _ reason: String) throws {
        let listen = [EchoServer.Endpoint.tcp(host, port: 7)]
        let server = try EchoServer(configuration: .init(model: .select, listen: listen))
        let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(failure?.code == .addressUnavailable || failure?.code == .unknownHost)
        let message = failure?.message ?? ""
        #expect(message.hasPrefix("cannot listen on [\(host)]:7: \(reason)"), "\(message)")
    }

    @Test func `a file that is no socket is named as such`() throws {
        let listen = [EchoServer.Endpoint.unix("/etc/passwd")]
        let server = try EchoServer(configuration: .init(model: .select, listen: listen))
        let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(failure?.code == .addressUnavailable)
        let reason = "there is a file, not a socket"
        #expect(failure?.message == "cannot listen on unix:/etc/passwd: \(reason)")
    }

    @Test func `nothing to listen on is refused`() throws {
        let server = try EchoServer(configuration: .init(model: .select, listen: []))
        let failure = #expect(throws: EchoServer.Failure.self) { try server.start() }
        #expect(failure?.code == .invalidConfiguration)
        #expect(failure?.message == "there is no endpoint to listen on")
    }

    private func makeServer(
        _ model: EchoServer.IOModel,
        listen: [EchoServer.Endpoint] = [.tcp("127.0.0.1", port: 0)]
    ) throws -> EchoServer {
        try EchoServer(configuration: .init(model: model, listen: listen))
    }
}

/// Keeps an address taken.
private final class OpenListener {
    let listener: Listener
    var address: SocketAddress { listener.address }

    init(_ listener: consuming Listener) {
        self.listener = listener
    }
}
