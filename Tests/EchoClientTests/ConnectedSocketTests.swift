import EchoClient
import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ConnectedSocketTests {
    private func failure(
        _ endpoint: Endpoint,
        timeout: Duration? = patience
    ) async throws -> ConnectError {
        try #require(await onThread { connectError(endpoint, timeout) })
    }

    @Test func `a connection is open, non-blocking, close-on-exec and undelayed`() async throws {
        let server = try ThreadedEchoServer()
        let (peer, endpoint, flags, noDelay) = try await onThread {
            let connection = try ConnectedSocket.open(server.endpoint)
            let noDelay = try connection.socket.option(level: CInt(IPPROTO_TCP), TCP_NODELAY)
            let flags = DescriptorFlags(of: connection.socket.number)
            return (connection.peer, connection.endpoint, flags, noDelay)
        }
        #expect(peer == server.address)
        #expect(endpoint == server.endpoint)
        #expect(flags == [.open, .closeOnExec, .nonBlocking])
        #expect(noDelay == 1)
    }

    @Test func `a Unix connection is non-blocking and close-on-exec too`() async throws {
        let server = try ThreadedEchoServer(on: .unix("\0open-test-\(getpid())"))
        let flags = try await onThread {
            let connection = try ConnectedSocket.open(server.endpoint, timeout: patience)
            return DescriptorFlags(of: connection.socket.number)
        }
        #expect(flags == [.open, .closeOnExec, .nonBlocking])
    }

    @Test func `the second address is tried when the first refuses`() async throws {
        let server = try ThreadedEchoServer(on: .loopback6(port: 0))
        let port = try #require(server.address.port)
        let peer = try await onThread {
            try ConnectedSocket.open(.tcp(host: "localhost", port: port)).peer
        }
        #expect(peer == .loopback6(port: port))
    }

    @Test func `a closed port refuses`() async throws {
        let port = try #require(try Listener(.loopback(port: 0)).address.port)
        let error = try await failure(.tcp(host: "127.0.0.1", port: port))
        guard case .refused = error.reason else { throw error }
        #expect(error.description == "cannot connect to 127.0.0.1:\(port): Connection refused")
    }

    @Test func `a Unix socket that is not there refuses`() async throws {
        let error = try await failure(.unix(path: "/nonexistent/echo.sock"))
        guard case .refused = error.reason else { throw error }
        let text = "cannot connect to unix:/nonexistent/echo.sock: No such file or directory"
        #expect(error.description == text)
    }

    @Test func `a name without an address is told`() async throws {
        let error = try await failure(.tcp(host: "no-such-host.invalid", port: 7))
        guard case .resolution = error.reason else { throw error }
        #expect(error.description.hasPrefix("cannot connect to no-such-host.invalid:7: "))
    }

    @Test func `N-5: a server whose queue is full does not answer in time`() async throws {
        // Linux drops what does not fit into the queue; of backlog 0 one connection fits.
        let listener = try Listener(.loopback(port: 0), backlog: 0)
        let endpoint = Endpoint.tcp(host: "127.0.0.1", port: try #require(listener.address.port))
        let attempt = try await onThread {
            _ = try ConnectedSocket.open(endpoint, timeout: patience)
            return connectError(endpoint, .milliseconds(50))
        }
        let error = try #require(attempt)
        guard case .timedOut = error.reason else { throw error }
        #expect(error.description == "cannot connect to \(endpoint): no answer in time")
    }

    @Test func `a Unix server whose queue is full does not answer in time`() async throws {
        let address = SocketAddress.unix("\0full-test-\(getpid())")
        let listener = try Listener(address, backlog: 0)
        let endpoint = Endpoint.unix(path: "\0full-test-\(getpid())")
        let first = try await onThread { try ConnectedSocket.open(endpoint).peer }
        #expect(first == listener.address)
        let error = try await failure(endpoint, timeout: .milliseconds(50))
        guard case .timedOut = error.reason else { throw error }
    }

    @Test func `what no server can be at is named`() async throws {
        for (endpoint, reason) in [
            (Endpoint.unix(path: "/etc/passwd"), "there is a file, not a socket"),
            (.unix(path: "/tmp"), "there is a folder, not a socket"),
            (
                .tcp(host: "fe80::1", port: 7),
                "a link-local address needs its network interface: write [fe80::1%INTERFACE]:7"
            ),
        ] {
            let error = try await failure(endpoint)
            guard case .unusable(reason) = error.reason else { throw error }
            #expect(error.description == "cannot connect to \(endpoint): \(reason)")
        }
    }

    @Test(arguments: [
        (ENETUNREACH, "Network is unreachable"), (EACCES, "Permission denied"),
        (ECONNREFUSED, "Connection refused"), (EMFILE, "connect: Too many open files"),
        (ETIMEDOUT, "no answer in time"),
    ])
    func `every error belongs to one class and is one line`(number: CInt, text: String) {
        let error = ConnectError(
            .tcp(host: "h", port: 7),
            SystemError(call: "connect", errno: Errno(rawValue: number))
        )
        #expect(error.description == "cannot connect to h:7: \(text)")
        switch (error.reason, number) {
        case (.unreachable, ENETUNREACH), (.permissionDenied, EACCES), (.refused, ECONNREFUSED),
            (.other, EMFILE), (.timedOut, ETIMEDOUT):
            break
        default: Issue.record("\(error) is in the wrong class")
        }
    }
}

private func connectError(_ endpoint: Endpoint, _ timeout: Duration?) -> ConnectError? {
    do {
        _ = try ConnectedSocket.open(endpoint, timeout: timeout)
        return nil
    } catch {
        return error
    }
}
