import EchoServer
import EchoSockets
import EchoTestSupport
import Glibc
import Logging
import ServiceLifecycle
import Testing

/// A shutdown that comes so early that it may overtake the start: it takes no longer than any
/// other, and whoever was queued is served.
@Suite(.timeLimit(.minutes(5)), .serialized)
struct EarlyShutdownTests {
    /// Longer than ``patience``: a shutdown that lasts until its deadline is too late.
    private static let drainTimeout: Duration = .seconds(60)

    @Test(arguments: EchoServer.IOModel.allCases, [0, 1, 20])
    func `a shutdown so many milliseconds after the start is quick, and loses nobody`(
        _ model: EchoServer.IOModel,
        _ milliseconds: Int
    ) async throws {
        for _ in 0..<10 {
            try await onThread(within: patience) {
                let server = try makeServer(model)
                try server.start()
                letPass(milliseconds)
                server.shutdownAndWait(drainingFor: Self.drainTimeout)
                #expect(server.statistics.accepted == 0)
            }
            try await onThread(within: patience) {
                let server = try makeServer(model)
                let client = try QueuedClient(of: try server.start())
                letPass(milliseconds)
                server.shutdownAndWait(drainingFor: Self.drainTimeout)
                try client.expectEcho()
                #expect(server.statistics.accepted == 1)
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a shutdown with no time to drain right after the start ends at once`(
        _ model: EchoServer.IOModel
    ) async throws {
        for _ in 0..<10 {
            try await onThread(within: patience) {
                let server = try makeServer(model)
                let client = try QueuedClient(of: try server.start())
                server.shutdownAndWait(drainingFor: .zero)
                try client.expectEnd()
                #expect(server.statistics.active == 0)
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a run that was cancelled before it began serves who is queued, and returns`(
        _ model: EchoServer.IOModel
    ) async throws {
        for _ in 0..<10 {
            let server = try makeServer(model)
            let client = try QueuedClient(of: try server.start())
            let running = Task {
                unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
                try await server.run()
            }
            try await withDeadline { try await running.value }
            try await onThread(within: patience) { try client.expectEcho() }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a service group whose other service fails at once ends, and who is queued is served`(
        _ model: EchoServer.IOModel
    ) async throws {
        struct Failing: Service {
            struct Fault: Error {}
            func run() async throws { throw Fault() }
        }
        for isStarted in [true, false] {
            let server = try makeServer(model)
            let client = isStarted ? try QueuedClient(of: try server.start()) : nil
            let group = ServiceGroup(
                services: [Failing(), server],
                logger: Logger(label: "group") { _ in SwiftLogNoOpLogHandler() }
            )
            await #expect(throws: Failing.Fault.self) {
                try await withDeadline { try await group.run() }
            }
            if let client { try await onThread(within: patience) { try client.expectEcho() } }
            #expect(server.endpoints == [])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `who is queued on an inherited socket is served, if not by this server then by the next`(
        _ model: EchoServer.IOModel
    ) async throws {
        for _ in 0..<10 {
            try await onThread(within: patience) {
                let listener = try Listener(.loopback(port: 0))
                let client = try QueuedClient(of: listener.address)
                for timeout in [Self.drainTimeout, .zero] {
                    let copy = fcntl(listener.number, F_DUPFD_CLOEXEC, 0)
                    let server = try makeServer(
                        model,
                        inheriting: [EchoServer.InheritedSocket(descriptor: copy)]
                    )
                    try server.start()
                    if timeout == .zero { try client.expectEcho() }
                    server.shutdownAndWait(drainingFor: timeout)
                }
            }
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a shutdown while another thread starts the server leaves nothing open`(
        _ model: EchoServer.IOModel
    ) async throws {
        for round in 0..<40 {
            let server = try makeServer(model)
            async let started = onThread(within: patience) { Result { try server.start() } }
            try await onThread(within: patience) {
                // At some moment of the start, or when connections have just come to be accepted.
                if round % 2 == 0 { #expect(eventuallyBlocking { !server.endpoints.isEmpty }) }
                server.shutdownAndWait(drainingFor: Self.drainTimeout)
            }
            switch try await started {
            case .success(let endpoints): try await expectRefused(endpoints)
            case .failure(let error):
                #expect((error as? EchoServer.Failure)?.code == .alreadyShutDown, "\(error)")
            }
            #expect(server.endpoints == [])
        }
    }

    @Test(arguments: EchoServer.IOModel.allCases)
    func `a server that is dropped right after the start closes everything`(
        _ model: EchoServer.IOModel
    ) async throws {
        for _ in 0..<10 {
            let endpoints = try makeServer(model).start()
            let address = try #require(endpoints.first?.address)
            let isClosed = try await eventually {
                try await EchoLoad().run(against: address).refused == 1
            }
            #expect(isClosed)
        }
    }

    private func expectRefused(_ endpoints: [EchoServer.Endpoint]) async throws {
        let report = try await EchoLoad().run(against: try #require(endpoints.first?.address))
        #expect(report.refused == 1, "\(report)")
    }

    private func makeServer(
        _ model: EchoServer.IOModel,
        inheriting inherited: [EchoServer.InheritedSocket] = []
    ) throws -> EchoServer {
        var configuration = EchoServer.Configuration(model: model, drainTimeout: Self.drainTimeout)
        configuration.inherited = inherited
        // Not where other tests listen: a port that is closed here may be theirs a moment later.
        configuration.listen = inherited.isEmpty ? [.tcp("127.0.6.1", port: 0)] : []
        return try EchoServer(configuration: configuration)
    }
}

/// Uses the processor for nothing.
private func letPass(_ milliseconds: Int) {
    if milliseconds > 0 { _ = poll(nil, 0, CInt(milliseconds)) }
}

/// A client that has connected, sent two bytes and ended its stream; without a thread of its own,
/// so that it is quicker than the server's.
final class QueuedClient: Sendable {
    private let socket: Locked<Socket?>
    private let number: CInt

    /// Connects to the first of the endpoints; blocks.
    convenience init(of endpoints: [EchoServer.Endpoint]) throws {
        try self.init(of: try #require(endpoints.first?.address))
    }

    /// Connects; blocks.
    init(of address: SocketAddress) throws {
        let socket = try Socket(family: address.family)
        if try !socket.connect(to: address) { try #require(isWritable(socket.number)) }
        let sent = unsafe [UInt8]([7, 8]).withUnsafeBytes { unsafe socket.send($0) }
        try #require(sent == .bytes(2))
        socket.shutdown(.sending)
        number = socket.number
        self.socket = Locked(socket)
    }

    /// Expects both bytes back, and the end; blocks.
    func expectEcho(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try receiveToEnd() == [7, 8], sourceLocation: sourceLocation)
    }

    /// Expects that it ends, in whatever way; blocks.
    func expectEnd(sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(throws: Never.self, sourceLocation: sourceLocation) { _ = try receiveToEnd() }
    }

    // Fewer bytes if it was reset.
    private func receiveToEnd() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            guard isReadable(number) else {
                throw DeadlineExceeded(description: "the connection did not end")
            }
            var buffer = [UInt8](repeating: 0, count: 16)
            let transfer = socket.withLock { socket -> Transfer in
                switch socket {
                case .some(let open):
                    return unsafe buffer.withUnsafeMutableBytes { unsafe open.receive(into: $0) }
                case .none: return .endOfStream
                }
            }
            switch transfer {
            case .bytes(let count): bytes += buffer[..<count]
            case .wouldBlock, .interrupted: continue
            case .endOfStream, .failed: return bytes
            }
        }
    }
}
