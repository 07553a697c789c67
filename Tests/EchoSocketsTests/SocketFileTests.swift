import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// The files of Unix sockets.
@Suite(.timeLimit(.minutes(5)))
struct SocketFileTests {
    private let folder: TemporaryFolder
    private let address: SocketAddress

    init() throws {
        folder = try TemporaryFolder()
        address = .unix(folder.path("socket"))
    }

    private func errno() -> CInt? {
        do {
            _ = try Listener(address)
            return nil
        } catch {
            return error.errno.rawValue
        }
    }

    @Test func `the file is there while the listener is, and no longer`() throws {
        do {
            let listener = try Listener(address)
            #expect(listener.address == address)
            #expect(folder.contains("socket"))
            let client = try connectedSocket(to: address)
            let server = try acceptedSocket(from: listener)
            client.send(text: "hello")
            #expect(server.receiveAll(5) == Array("hello".utf8))
            #expect(server.peerCredentials?.user == geteuid())
        }
        #expect(!folder.contains("socket"))
    }

    @Test func `a stale file is replaced`() throws {
        let number = try systemCall("socket") { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0) }
        do {
            let stale = Descriptor(adopting: number)
            try systemCall("bind") { unsafe address.withSockaddr { unsafe bind(number, $0, $1) } }
            #expect(DescriptorFlags(of: stale.rawValue).contains(.open))
        }
        #expect(folder.contains("socket"))
        let listener = try Listener(address)
        let client = try connectedSocket(to: address)
        #expect(try acceptedSocket(from: listener).peerAddress == client.localAddress)
    }

    @Test func `a live one is not`() throws {
        let listener = try Listener(address)
        #expect(errno() == EADDRINUSE)
        let probe = try acceptedSocket(from: listener)  // The attempt's look whether it is alive.
        #expect(probe.receiveBytes().outcome == .endOfStream)
        _ = try ConnectedPair(through: listener)
    }

    @Test func `one that is bound and does not listen yet is not`() throws {
        let number = try systemCall("socket") { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0) }
        let starting = Descriptor(adopting: number)
        try systemCall("bind") { unsafe address.withSockaddr { unsafe bind(number, $0, $1) } }
        #expect(errno() == EADDRINUSE)
        #expect(folder.contains("socket"))
        #expect(!folder.contains("socket.lock"))
        try systemCall("listen") { listen(starting.rawValue, 1) }
        #expect(errno() == EADDRINUSE)
    }

    @Test func `one with a full queue is alive too`() throws {
        let listener = try Listener(address, backlog: 0)
        let client = try connectedSocket(to: address)
        #expect(errno() == EADDRINUSE)
        #expect(folder.contains("socket"))
        _ = (listener.number, client.number)
    }

    @Test func `a file that is no socket is not removed`() throws {
        _ = try folder.file("socket", holding: [1, 2, 3])
        #expect(errno() == EADDRINUSE)
        #expect(readFile(folder.path("socket")) == [1, 2, 3])
    }

    @Test func `another's file in its place is not removed at the end`() throws {
        do {
            let listener = try Listener(address)
            unsafe unlink(folder.path("socket"))
            _ = try folder.file("socket", holding: [7])
            _ = listener.number
        }
        #expect(readFile(folder.path("socket")) == [7])
    }

    @Test func `a folder that is not there is an error`() {
        let error = #expect(throws: SystemError.self) {
            _ = try Listener(.unix(folder.path("none/socket")))
        }
        #expect(error?.description == "bind: No such file or directory")
    }

    @Test func `an abstract name needs no file and frees itself`() throws {
        let name = SocketAddress.unix("\0socket-file-test-\(getpid())")
        for _ in 0..<2 {
            let listener = try Listener(name)
            #expect(listener.address == name)
            _ = try ConnectedPair(through: listener)
            #expect((try? Listener(name)) == nil)
        }
    }
}
