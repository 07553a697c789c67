import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ListenerTests {
    @Test func `port 0 becomes a free port`() throws {
        let first = try Listener(.loopback(port: 0))
        let second = try Listener(.loopback(port: 0))
        let ports = [first.address.port, second.address.port]
        #expect(ports.allSatisfy { ($0 ?? 0) > 0 })
        #expect(ports[0] != ports[1])
        #expect(first.isInherited == false)
    }

    @Test func `an address in use is refused`() throws {
        let listener = try Listener(.loopback(port: 0))
        let error = #expect(throws: SystemError.self) { _ = try Listener(listener.address) }
        #expect(error?.errno.rawValue == EADDRINUSE)
        #expect(error?.description == "bind: Address already in use")
    }

    @Test func `an address that is not ours is refused`() {
        let error = #expect(throws: SystemError.self) {
            _ = try Listener(.ipv4(0xC000_0201, port: 0))
        }
        #expect(error?.errno.rawValue == EADDRNOTAVAIL)
    }

    @Test func `IPv4 and IPv6 listen on the same port side by side`() throws {
        let listener = try Listener(.ipv4(0, port: 0))
        let port = try #require(listener.address.port)
        let beside = try Listener(.ipv6(0, 0, port: port, scope: 0))
        let four = try connectedSocket(to: .loopback(port: port))
        let six = try connectedSocket(to: .loopback6(port: port))
        let first = try acceptedSocket(from: listener)
        let second = try acceptedSocket(from: beside)
        #expect(first.peerAddress == four.localAddress)
        #expect(second.peerAddress == six.localAddress)
    }

    @Test func `several listeners share a port if they are told to`() throws {
        let first = try Listener(.loopback(port: 0), sharesPort: true)
        let second = try Listener(first.address, sharesPort: true)
        #expect(second.address == first.address)
    }

    @Test(arguments: [false, true])
    func `accepted connections inherit no-delay, and urgent-inline if it is wanted`(
        _ isInline: Bool
    ) throws {
        let options = ConnectionOptions(urgentInline: isInline)
        let listener = try Listener(.loopback(port: 0), options: options)
        let pair = try ConnectedPair(through: listener)
        let noDelay = try pair.server.option(level: CInt(IPPROTO_TCP), TCP_NODELAY)
        let inline = try pair.server.option(level: SOL_SOCKET, SO_OOBINLINE)
        #expect(noDelay != 0)
        #expect((inline != 0) == isInline)
        // Without the listener's, they are off.
        #expect(try pair.client.option(level: CInt(IPPROTO_TCP), TCP_NODELAY) == 0)
        #expect(try pair.client.option(level: SOL_SOCKET, SO_OOBINLINE) == 0)
    }

    @Test func `nobody to accept is nothing, and the peer's address comes with a connection`()
        throws
    {
        let listener = try Listener(.loopback(port: 0))
        guard case .nothing = listener.accept() else {
            Issue.record("accepted nobody")
            return
        }
        let client = try connectedSocket(to: listener.address)
        #expect(isReadable(listener.number))
        guard case .accepted(_, let peer) = listener.accept() else {
            Issue.record("did not accept")
            return
        }
        #expect(peer == client.localAddress)
    }

    @Test func `SEL-5: a connection that is reset before it is accepted harms nothing`() throws {
        let listener = try Listener(.loopback(port: 0))
        do {
            let hasty = try connectedSocket(to: listener.address)
            hasty.setResetOnClose()
        }
        let client = try connectedSocket(to: listener.address)
        var peers: [SocketAddress?] = []
        while isReadable(listener.number, within: .zero) {
            switch listener.accept() {
            case .accepted(let socket, _):
                peers.append(socket.peerAddress)
                // The first one's reset has arrived already.
                if peers.count == 1, case .failed(let error) = socket.receiveBytes().outcome {
                    #expect(error.rawValue == ECONNRESET)
                }
            case .lost: peers.append(nil)
            default: Issue.record("the listener suffered")
            }
        }
        #expect(peers.count == 2)
        #expect(peers.last == client.localAddress)
    }

    @Test func `PF-3: without descriptors the connection stays queued until there is one`() async {
        await #expect(processExitsWith: .success) {
            let listener = try Listener(.loopback(port: 0))
            let client = try connectedSocket(to: listener.address)
            var limit = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let before = limit.rlim_cur
            limit.rlim_cur = rlim_t(client.number) + 1
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            for _ in 0..<3 {
                while fcntl(client.number, F_DUPFD_CLOEXEC, 0) >= 0 {}  // Numbers below the limit.
                guard case .exhausted(let error) = listener.accept() else { exit(1) }
                expectOrExit(error.rawValue == EMFILE)
            }
            limit.rlim_cur = before
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            guard case .accepted(_, let peer) = listener.accept() else { exit(2) }
            expectOrExit(peer == client.localAddress)
        }
    }

    @Test func `a backlog of n admits n + 1 connections`() throws {
        let listener = try Listener(.loopback(port: 0), backlog: 1)
        let first = try connectedSocket(to: listener.address)
        let second = try connectedSocket(to: listener.address)
        let third = try Socket(family: AF_INET)
        #expect(try third.connect(to: listener.address) == false)
        #expect(!isWritable(third.number, within: .milliseconds(30)))
        _ = (first.number, second.number)
    }
}
