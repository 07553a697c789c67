import EchoSockets
import EchoTestSupport
import Logging
import Testing

@testable import EchoServer

/// Lets the tests of all models run with one that the library does not have.
enum ServedBy {
    /// What servers of ``withServer(_:_:logger:sourceLocation:_:)`` serve with, in place of the
    /// model they are asked for.
    @TaskLocal static var implementation: (any ServingModel.Type)?
}

/// Runs a server on a free port of 127.0.0.1 while `body` runs, shuts it down, and checks what must
/// hold of every server at its end.
///
/// - Parameters:
///   - model: its I/O model.
///   - configure: changes the configuration.
///   - logger: what it logs to.
///   - sourceLocation: where to report failures.
///   - body: gets the server and where its first endpoint is.
/// - Returns: what `body` returned.
/// - Throws: what `body` threw, or why there is no server.
@discardableResult
func withServer<Result: Sendable>(
    _ model: EchoServer.IOModel,
    _ configure: (inout EchoServer.Configuration) -> Void = { _ in },
    logger: Logger? = nil,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (EchoServer, SocketAddress) async throws -> Result
) async throws -> Result {
    var configuration = EchoServer.Configuration(
        model: model,
        listen: [.tcp("127.0.0.1", port: 0)]
    )
    configure(&configuration)
    let server = try EchoServer(
        configuration: configuration,
        logger: logger,
        servedBy: ServedBy.implementation ?? model.implementation
    )
    let endpoints = try server.start()
    let result: Swift.Result<Result, any Error>
    do {
        let address = try #require(endpoints.first?.address, sourceLocation: sourceLocation)
        result = .success(try await body(server, address))
    } catch {
        result = .failure(error)
    }
    try await withDeadline(patience, "the shutdown of \(model)") {
        await server.shutdown(drainingFor: .zero)
    }
    let statistics = server.statistics
    #expect(statistics.active == 0, sourceLocation: sourceLocation)
    #expect(statistics.accepted == statistics.closedTotal, sourceLocation: sourceLocation)
    #expect(statistics.bytesSent <= statistics.bytesReceived, sourceLocation: sourceLocation)
    return try result.get()
}

extension EchoServer.Endpoint {
    /// The address that a bound endpoint stands for.
    var address: SocketAddress? {
        if let path { return .unix(path) }
        guard let host, let port else { return nil }
        return SocketAddress(numeric: host, port: port)
    }
}

/// Waits until a count of a server has come to a value, and complains if it does not.
func expectEventually<Value: Equatable & Sendable>(
    _ server: EchoServer,
    _ count: @Sendable (EchoServer.Statistics) -> Value,
    is value: Value,
    sourceLocation: SourceLocation = #_sourceLocation
) async {
    let reached = await eventually { count(server.statistics) == value }
    #expect(reached, "\(server.statistics)", sourceLocation: sourceLocation)
}

/// A path for a Unix socket that no other test uses.
func temporarySocketPath() -> String {
    "/tmp/echo-\(UInt64.random(in: 0...UInt64.max)).sock"
}

/// Runs a body with a server that one client fills, and with others that wait in its queue.
///
/// - Parameters:
///   - model: its model.
///   - count: how many wait, at least 1; each has sent its number, from 1.
///   - body: what to do with the server, the client that fills it, and the others in their order.
/// - Returns: what `body` returned.
/// - Throws: what `body` threw, or why there is no server.
@discardableResult
func withFullServer<Result: Sendable>(
    _ model: EchoServer.IOModel,
    queued count: Int,
    _ body: (EchoServer, TestClient, [TestClient]) async throws -> Result
) async throws -> Result {
    try await withServer(model) {
        $0.maximumConnections = 1
        $0.whenFull = .defer
    } _: { server, address in
        let holder = try await TestClient(to: address)
        defer { holder.close() }
        #expect(try await holder.exchange([0]) == [0])
        var queued: [TestClient] = []
        defer { for client in queued { client.close() } }
        for number in 1...count {
            let client = try await TestClient(to: address)
            try await client.send([UInt8(number)])
            queued.append(client)
        }
        return try await body(server, holder, queued)
    }
}
