import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct AcceptTests {
    @Test func `CP-10: an accept's packet carries the listener's key, and the connection works`()
        throws
    {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let listener = try Listener(.loopback(port: 0))
        let address = listener.address
        let handle = try port.adopt(listener, key: 77)
        #expect(port.accept(on: handle) == .pending)
        let client = try Socket(family: AF_INET, blocking: true)
        _ = try client.connect(to: address)
        let packet = try #require(worker.next())
        #expect(packet.key == 77 && packet.kind == .accept && packet.error == nil)
        guard case .accepted(let socket, let address) = port.nextConnection(on: handle) else {
            Issue.record("no connection")
            return
        }
        #expect(address == client.localAddress)
        #expect(DescriptorFlags(of: socket.number) == [.open, .closeOnExec, .nonBlocking])
        if case .accepted = port.nextConnection(on: handle) { Issue.record("given twice") }
        let connection = try port.adopt(socket, owner: Tag(78))
        #expect(port.send("hi", on: connection) == .completed(bytes: 2))
        #expect(Peer(client).receive() == Array("hi".utf8))
    }

    @Test func `PF-4: connections that came with one edge are all accepted`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let listener = try Listener(.loopback(port: 0))
        let address = listener.address
        let handle = try port.adopt(listener, key: 1)
        var clients: [Peer] = []
        for _ in 0..<5 {
            let client = try Socket(family: AF_INET, blocking: true)
            _ = try client.connect(to: address)
            clients.append(Peer(client))
        }
        for _ in 0..<5 {
            #expect(port.accept(on: handle) == .pending)
            #expect(worker.next()?.kind == .accept)
            guard case .accepted = port.nextConnection(on: handle) else {
                Issue.record("no connection")
                return
            }
        }
        #expect(port.accept(on: handle) == .pending)
        #expect(worker.rest().isEmpty)
        port.close(handle)
        #expect(worker.rest().map(\.error) == [cancelled])
    }

    @Test func `CO-1: the accept of a closed listener is not one of a socket`() throws {
        let port = try CompletionPort()
        let handle = try port.adopt(try Listener(.loopback(port: 0)), key: 1)
        port.close(handle)
        #expect(port.accept(on: handle) == .refused(Errno(rawValue: ENOTSOCK)))
        guard case .failed(let errno) = port.nextConnection(on: handle) else {
            Issue.record("expected a failure")
            return
        }
        #expect(errno.rawValue == ENOTSOCK)
    }

    @Test func `an accept that is called back leaves the queue to be accepted from at once`() throws
    {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let listener = try Listener(.loopback(port: 0))
        let address = listener.address
        let handle = try port.adopt(listener, key: 1)
        port.accept(on: handle)
        #expect(port.cancelAll(on: handle) && !port.cancelAll(on: handle))
        #expect(worker.next()?.error == cancelled)
        #expect(!port.hasQueue(on: handle))
        let client = try Socket(family: AF_INET, blocking: true)
        _ = try client.connect(to: address)
        #expect(port.hasQueue(on: handle))
        guard case .accepted = port.nextConnection(on: handle) else {
            Issue.record("no connection")
            return
        }
    }

    @Test func `an accept on a socket that does not listen is refused`() throws {
        let port = try CompletionPort()
        let (handle, peer) = try adoptedPair(by: port)
        #expect(port.accept(on: handle) == .refused(Errno(rawValue: EINVAL)))
        peer.close()
    }

    @Test func `PF-3: without descriptors an accept fails, and works when posted again`() async {
        await #expect(processExitsWith: .success) {
            let port = try CompletionPort()
            let worker = CompletionPort.Worker(of: port)
            let listener = try Listener(.loopback(port: 0))
            let address = listener.address
            let handle = try port.adopt(listener, key: 1)
            let client = try Socket(family: AF_INET, blocking: true)
            _ = try client.connect(to: address)
            let lowest = dup(0)
            _ = Descriptor(adopting: lowest)
            var limit = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let before = limit.rlim_cur
            limit.rlim_cur = rlim_t(lowest)
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            _ = port.accept(on: handle)
            let failed = worker.next()
            guard failed?.error?.rawValue == EMFILE, worker.rest().isEmpty else { exit(2) }
            limit.rlim_cur = before
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            guard case .exhausted = port.nextConnection(on: handle) else { exit(3) }
            _ = port.accept(on: handle)
            guard worker.next()?.error == nil,
                case .accepted = port.nextConnection(on: handle)
            else { exit(4) }
        }
    }
}
