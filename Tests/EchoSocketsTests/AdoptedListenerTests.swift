import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Listening sockets that a service manager passes.
@Suite(.timeLimit(.minutes(5)))
struct AdoptedListenerTests {
    private func boundSocket(type: CInt, isListening: Bool) throws -> Descriptor {
        // As a service manager would: neither close-on-exec nor non-blocking.
        let number = try systemCall("socket") { socket(AF_INET, type, 0) }
        let address = SocketAddress.loopback(port: 0)
        try systemCall("bind") {
            unsafe address.withSockaddr { unsafe bind(number, $0, $1) }
        }
        if isListening { try systemCall("listen") { listen(number, 5) } }
        return Descriptor(adopting: number)
    }

    private func errno(_ descriptor: consuming Descriptor) -> CInt? {
        do {
            _ = try Listener(adopting: descriptor)
            return nil
        } catch {
            return error.errno.rawValue
        }
    }

    @Test func `a listening socket is adopted and serves`() throws {
        let descriptor = try boundSocket(type: CInt(SOCK_STREAM.rawValue), isListening: true)
        let options = ConnectionOptions(urgentInline: true)
        let listener = try Listener(adopting: descriptor, options: options)
        #expect(listener.isInherited == true)
        #expect(listener.address.host == "127.0.0.1")
        #expect((listener.address.port ?? 0) > 0)
        #expect(DescriptorFlags(of: listener.number) == [.open, .closeOnExec, .nonBlocking])
        let pair = try ConnectedPair(through: listener)
        #expect(pair.server.peerAddress == pair.client.localAddress)
        #expect(try pair.server.option(level: CInt(IPPROTO_TCP), TCP_NODELAY) != 0)
        #expect(try pair.server.option(level: SOL_SOCKET, SO_OOBINLINE) != 0)
    }

    @Test func `what is not a socket is refused`() {
        let file = Descriptor(adopting: unsafe open("/dev/null", O_RDONLY | O_CLOEXEC))
        #expect(errno(file) == ENOTSOCK)
        #expect(errno(Descriptor(adopting: 1_000_000)) == EBADF)
    }

    @Test func `a socket that does not listen is refused`() throws {
        let stream = CInt(SOCK_STREAM.rawValue)
        #expect(errno(try boundSocket(type: stream, isListening: false)) == EINVAL)
        #expect(errno(try ConnectedPair().takeServer()) == EINVAL)
    }

    @Test func `a datagram socket is refused`() throws {
        let datagram = CInt(SOCK_DGRAM.rawValue)
        #expect(errno(try boundSocket(type: datagram, isListening: false)) == EINVAL)
    }

    @Test func `an inherited Unix socket's file is left alone`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("socket")
        do {
            let number = try systemCall("socket") { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0) }
            let descriptor = Descriptor(adopting: number)
            try systemCall("bind") {
                unsafe SocketAddress.unix(path).withSockaddr { unsafe bind(number, $0, $1) }
            }
            try systemCall("listen") { listen(number, 5) }
            let listener = try Listener(adopting: descriptor)
            #expect(listener.address == .unix(path))
        }
        #expect(folder.contains("socket"))
    }
}

extension ConnectedPair {
    /// The accepted end alone.
    fileprivate consuming func takeServer() throws -> Descriptor {
        let number = fcntl(server.number, F_DUPFD_CLOEXEC, 0)
        return Descriptor(adopting: number)
    }
}
