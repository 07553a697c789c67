import Glibc
import ReactorHTTP
import Sockets
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct HTTPServerTests {
    private static func withServer(
        _ limits: HTTPLimits = .patient,
        _ body: (SocketAddress) async throws -> Void
    ) async throws {
        let server = try HTTPServer(listeningOn: [.loopback(port: 0)], limits: limits) { path in
            path == "/missing"
                ? HTTPResponse(status: 404, "no\n")
                : HTTPResponse(contentType: "text/x-test", "this is \(path)\n")
        }
        defer { server.stop() }
        try await body(server.addresses[0])
    }

    @Test func `GET is answered, and the connection ends`() async throws {
        try await Self.withServer { address in
            let exchange = try await HTTPExchange("/some/where?x=1", with: address)
            #expect(exchange.status == 200)
            #expect(exchange.body == "this is /some/where\n")
            #expect(exchange.fields["content-type"] == "text/x-test")
            #expect(exchange.fields["connection"] == "close")
            #expect(exchange.fields["content-length"] == "20")
        }
    }

    @Test func `HEAD is answered without the content`() async throws {
        try await Self.withServer { address in
            let exchange = try await HTTPExchange("HEAD / HTTP/1.1\r\n\r\n", with: address)
            #expect(exchange.status == 200)
            #expect(exchange.fields["content-type"] == "text/x-test")
            #expect(exchange.fields["content-length"] == "10")
            #expect(exchange.body == "")
        }
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
    func `other methods are refused, and those that are served are named`(
        _ method: String
    ) async throws {
        try await Self.withServer { address in
            let request = "\(method) / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
            let exchange = try await HTTPExchange(request, with: address)
            #expect(exchange.status == 405)
            #expect(exchange.fields["allow"] == "GET, HEAD")
        }
    }

    @Test func `the handler's status is sent`() async throws {
        try await Self.withServer { address in
            let exchange = try await HTTPExchange("/missing", with: address)
            #expect(exchange.status == 404)
        }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 9000) + "\r\n\r\n",
        "GET /" + String(repeating: "a", count: 9000) + " HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 2000\r\n\r\n" + String(repeating: "a", count: 2000),
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "nonsense\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n",
    ])
    func `what is too long or not HTTP is not answered with 200, and the connection ends`(
        _ request: String
    ) async throws {
        try await Self.withServer { address in
            let status = try await HTTPExchange(request, with: address).status
            #expect(status == nil || (400..<600).contains(status ?? 0), "\(status ?? 0)")
            let later = try await HTTPExchange("/", with: address)
            #expect(later.status == 200)
        }
    }

    @Test func `a connection that goes on sending slowly ends in time`() async throws {
        var limits = HTTPLimits()
        limits.lifetime = .milliseconds(300)
        limits.silence = .seconds(60)
        try await Self.withServer(limits) { address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            try await client.send(Array("GET / HT".utf8))
            #expect(try await client.receiveToEnd().bytes.isEmpty)
        }
    }

    @Test func `a silent connection ends in time`() async throws {
        var limits = HTTPLimits()
        limits.silence = .seconds(1)
        limits.lifetime = .seconds(3600)
        try await Self.withServer(limits) { address in
            let client = try await TestClient(to: address)
            defer { client.close() }
            #expect(try await client.receiveToEnd().bytes.isEmpty)
        }
    }

    @Test func `clients beyond the limit wait for a place, without CPU`() async throws {
        var limits = HTTPLimits()
        limits.connections = 4
        limits.silence = .seconds(60)
        limits.lifetime = .seconds(60)
        try await Self.withServer(limits) { address in
            var idle: [TestClient] = []
            for _ in 0..<4 { idle.append(try await TestClient(to: address)) }
            defer { for client in idle { client.close() } }
            let waiting = try await TestClient(to: address)
            defer { waiting.close() }
            try await waiting.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
            #expect(try await waiting.isSilent(for: .seconds(1)))
            idle[0].close()
            let answer = String(decoding: try await waiting.receiveToEnd().bytes, as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test func `many requests at once are all answered`() async throws {
        try await Self.withServer { address in
            try await withThrowingTaskGroup { group in
                for number in 0..<100 {
                    group.addTask {
                        let exchange = try await HTTPExchange("/\(number)", with: address)
                        #expect(exchange.body == "this is /\(number)\n")
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `localhost is served on one port of both addresses`() async throws {
        let wanted: [SocketAddress] = [.loopback(port: 0), .loopback6(port: 0)]
        let server = try HTTPServer(listeningOn: wanted) { HTTPResponse($0) }
        #expect(server.addresses.count == 2)
        #expect(Set(server.addresses.map(\.port)).count == 1)
        for address in server.addresses {
            #expect(try await HTTPExchange("/x", with: address).body == "/x")
        }
        server.stop()
    }

    @Test func `a Unix socket is served, and its file goes away`() async throws {
        let path = "/tmp/echo-http-\(UInt64.random(in: 0 ... .max)).sock"
        let server = try HTTPServer(listeningOn: [.unix(path)]) { HTTPResponse($0) }
        #expect(try await HTTPExchange("/x", with: .unix(path)).body == "/x")
        server.stop()
        _ = consume server
        #expect(unsafe access(path, F_OK) == -1)
    }

    @Test func `an address in use is named`() throws {
        let taken = try Listener(.loopback(port: 0))
        let address = taken.address
        let error = #expect(throws: BindError.self) {
            try HTTPServer(listeningOn: [address]) { HTTPResponse($0) }
        }
        #expect(error?.address == address)
        #expect(error?.error.errno.rawValue == EADDRINUSE)
    }

    @Test func `stopping ends connections that are open`() async throws {
        let server = try HTTPServer(listeningOn: [.loopback(port: 0)]) { HTTPResponse($0) }
        let client = try await TestClient(to: server.addresses[0])
        defer { client.close() }
        // Known to be accepted when a later one has been answered.
        #expect(try await HTTPExchange("/x", with: server.addresses[0]).status == 200)
        server.stop()
        #expect(try await client.receiveToEnd().bytes.isEmpty)
    }

    @Test func `servers leave no descriptor and no thread behind`() async {
        await #expect(processExitsWith: .success) {
            let before = ProcessFigures()
            let descriptors = before.openDescriptorCount
            for _ in 0..<20 {
                let server = try HTTPServer(listeningOn: [.loopback(port: 0)]) { HTTPResponse($0) }
                #expect(try await HTTPExchange("/x", with: server.addresses[0]).status == 200)
                server.stop()
            }
            // The test's own come and go.
            let closed = await eventually { before.openDescriptorCount < descriptors + 10 }
            #expect(closed, "\(before.openDescriptors), \(descriptors) before")
        }
    }
}

extension HTTPLimits {
    /// The standard limits, but for a machine that is busy with something else.
    fileprivate static var patient: HTTPLimits {
        var limits = HTTPLimits()
        limits.silence = .seconds(60)
        limits.lifetime = .seconds(60)
        return limits
    }
}
