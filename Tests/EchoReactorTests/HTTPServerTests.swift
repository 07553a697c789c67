import EchoHTTP
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct HTTPServerTests {
    private static func withServer(
        _ limits: HTTPLimits = .patient,
        _ body: (SocketAddress) async throws -> Void
    ) async throws {
        let server = try HTTPServer(listeningOn: [.loopback(port: 0)], limits: limits) { path in
            path == "/missing"
                ? .now(HTTPResponse(status: 404, "no\n"))
                : .now(HTTPResponse(contentType: "text/x-test", "this is \(path)\n"))
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

    @Test func `when others wait, the oldest connection without a request goes`() async throws {
        var limits = HTTPLimits.patient
        limits.grace = .milliseconds(300)
        limits.connections = 4
        try await Self.withServer(limits) { address in
            var idle: [TestClient] = []
            for _ in 0..<4 { idle.append(try await TestClient(to: address)) }
            defer { for client in idle { client.close() } }
            #expect(try await idle[0].isSilent(for: .seconds(1)))
            #expect(try await HTTPExchange("/", with: address).status == 200)
            #expect(try await idle[0].receiveToEnd().bytes.isEmpty)
            #expect(try await idle[3].isSilent(for: .milliseconds(500)))
            try await idle[3].send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
            let answer = String(decoding: try await idle[3].receiveToEnd().bytes, as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    // They used to wait for the lifetime of 64 at a time.
    /// Of a connection that has ended, nothing may take bytes from the next one.
    @Test func `a long request right after another is answered`() async throws {
        try await Self.withServer { address in
            let cookie = String(repeating: "x", count: 7000)
            for round in 0..<20 {
                #expect(try await HTTPExchange("/", with: address).status == 200)
                let long = "GET / HTTP/1.1\r\nHost: x\r\nCookie: \(cookie)\r\n\r\n"
                let exchange = try await HTTPExchange(long, with: address)
                try #require(exchange.status == 200, "round \(round)")
            }
        }
    }

    @Test func `300 clients that drip headers do not keep a request away`() async throws {
        var limits = HTTPLimits.patient
        limits.grace = HTTPLimits().grace
        try await Self.withServer(limits) { address in
            var slow: [TestClient] = []
            defer { for client in slow { client.close() } }
            for _ in 0..<300 {
                let client = try await TestClient(to: address)
                try await client.send(Array("GET / HTTP/1.1\r\nX: ".utf8))
                slow.append(client)
            }
            var span = Duration.zero
            for _ in 0..<10 {
                let start = MonotonicTime.now
                #expect(try await HTTPExchange("/", with: address).status == 200)
                span += MonotonicTime.now - start
                for client in slow { try? await client.send(Array("a".utf8)) }
            }
            #expect(span < HTTPLimits.patient.lifetime / 2, "\(span)")
        }
    }

    @Test func `an answer that comes later is sent, and the others are not kept waiting`()
        async throws
    {
        let answers = Locked<[HTTPReply.Answer]>([])
        let server = try HTTPServer(listeningOn: [.loopback(port: 0)], limits: .patient) { path in
            guard path == "/later" else { return .now(HTTPResponse(path)) }
            let otherwise = HTTPResponse(status: 503, "")
            return .later(within: .seconds(600), otherwise: otherwise) { answer in
                answers.withLock { $0.append(answer) }
            }
        }
        defer { server.stop() }
        let address = server.addresses[0]
        async let first = HTTPExchange("/later", with: address)
        async let second = HTTPExchange("/later", with: address)
        #expect(await eventually { answers.withLock { $0.count } == 2 })
        #expect(try await HTTPExchange("/x", with: address).body == "/x")
        for answer in answers.withLock({ $0 }) {
            answer(HTTPResponse("now"))
            // Only the first counts.
            answer(HTTPResponse("again"))
        }
        let bodies = try await [first.body, second.body]
        #expect(bodies == ["now", "now"])
    }

    @Test func `an answer that does not come is stood in for`() async throws {
        let server = try HTTPServer(listeningOn: [.loopback(port: 0)], limits: .patient) { _ in
            .later(within: .milliseconds(300), otherwise: HTTPResponse(status: 503, "late")) { _ in
            }
        }
        defer { server.stop() }
        let start = MonotonicTime.now
        let exchange = try await HTTPExchange("/", with: server.addresses[0])
        #expect(exchange.status == 503)
        #expect(exchange.body == "late")
        #expect(MonotonicTime.now - start >= .milliseconds(300))
    }

    @Test func `clients that go away before they are answered harm nothing`() async throws {
        let answers = Locked<[HTTPReply.Answer]>([])
        var limits = HTTPLimits.patient
        limits.lifetime = .seconds(5)
        let server = try HTTPServer(listeningOn: [.loopback(port: 0)], limits: limits) { path in
            guard path == "/later" else { return .now(HTTPResponse(path)) }
            let otherwise = HTTPResponse(status: 503, "")
            return .later(within: .seconds(600), otherwise: otherwise) { answer in
                answers.withLock { $0.append(answer) }
            }
        }
        let address = server.addresses[0]
        for number in 1...20 {
            let client = try await TestClient(to: address)
            try await client.send(Array("GET /later HTTP/1.1\r\n\r\n".utf8))
            #expect(await eventually { answers.withLock { $0.count } == number })
            if number % 2 == 0 { client.reset() } else { client.close() }
        }
        // Longer than connections may last.
        #expect(try await TestClient(to: address).receiveToEnd().bytes.isEmpty)
        for answer in answers.withLock({ $0 }).prefix(10) { answer(HTTPResponse("")) }
        #expect(try await HTTPExchange("/x", with: address).body == "/x")
        // The rest is answered after its end.
        server.stop()
        for answer in answers.withLock({ $0 }) { answer(HTTPResponse("")) }
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
        let server = try HTTPServer(listeningOn: wanted) { .now(HTTPResponse($0)) }
        #expect(server.addresses.count == 2)
        #expect(Set(server.addresses.map(\.port)).count == 1)
        for address in server.addresses {
            #expect(try await HTTPExchange("/x", with: address).body == "/x")
        }
        server.stop()
    }

    @Test func `a Unix socket is served, and its file goes away`() async throws {
        let path = "/tmp/echo-http-\(UInt64.random(in: 0 ... .max)).sock"
        let server = try HTTPServer(listeningOn: [.unix(path)]) { .now(HTTPResponse($0)) }
        #expect(try await HTTPExchange("/x", with: .unix(path)).body == "/x")
        server.stop()
        _ = consume server
        #expect(unsafe access(path, F_OK) == -1)
    }

    @Test func `an address in use is named`() throws {
        let taken = try Listener(.loopback(port: 0))
        let address = taken.address
        let error = #expect(throws: BindError.self) {
            try HTTPServer(listeningOn: [address]) { .now(HTTPResponse($0)) }
        }
        #expect(error?.address == address)
        #expect(error?.error.errno.rawValue == EADDRINUSE)
    }

    @Test func `stopping ends connections that are open`() async throws {
        let server = try HTTPServer(listeningOn: [.loopback(port: 0)]) { .now(HTTPResponse($0)) }
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
                let server = try HTTPServer(listeningOn: [.loopback(port: 0)]) {
                    .now(HTTPResponse($0))
                }
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
        limits.grace = .seconds(60)
        return limits
    }
}
