import EchoProactor
import EchoSockets
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
        let handle = try port.associate(listener, key: 77)
        let operation = Operation()
        #expect(port.accept(operation, on: handle) == .pending)
        let client = try Socket(family: AF_INET, blocking: true)
        _ = try client.connect(to: address)
        let packet = try #require(worker.next())
        #expect(packet.key == 77 && packet.kind == .accept && packet.error == nil)
        #expect(operation.peer == client.localAddress)
        guard let socket = operation.takeAccepted() else {
            Issue.record("no connection")
            return
        }
        #expect(socket.descriptor.isCloseOnExec && socket.descriptor.isNonBlocking)
        if operation.takeAccepted() != nil { Issue.record("given twice") }
        let connection = try port.associate(socket, key: 78)
        #expect(port.send("hi", on: connection) == .completed(bytes: 2))
        #expect(Peer(client).receive() == Array("hi".utf8))
    }

    @Test func `PF-4: connections that came with one edge are all accepted`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let listener = try Listener(.loopback(port: 0))
        let address = listener.address
        let handle = try port.associate(listener, key: 1)
        var clients: [Peer] = []
        for _ in 0..<5 {
            let client = try Socket(family: AF_INET, blocking: true)
            _ = try client.connect(to: address)
            clients.append(Peer(client))
        }
        let operation = Operation()
        for _ in 0..<5 {
            #expect(port.accept(operation, on: handle) == .pending)
            #expect(worker.next()?.kind == .accept)
        }
        #expect(port.accept(operation, on: handle) == .pending)
        #expect(worker.rest().isEmpty)
        port.close(handle)
        #expect(worker.rest().map(\.error) == [cancelled])
    }

    @Test func `an accept on a socket that does not listen is refused`() throws {
        let port = try CompletionPort()
        let (handle, peer) = try associatedPair(with: port)
        #expect(port.accept(Operation(), on: handle) == .refused(Errno(rawValue: EINVAL)))
        peer.close()
    }

    @Test func `PF-3: without descriptors an accept fails, and works when posted again`() async {
        await #expect(processExitsWith: .success) {
            let port = try CompletionPort()
            let worker = CompletionPort.Worker(of: port)
            let listener = try Listener(.loopback(port: 0))
            let address = listener.address
            let handle = try port.associate(listener, key: 1)
            let client = try Socket(family: AF_INET, blocking: true)
            _ = try client.connect(to: address)
            let lowest = dup(0)
            _ = Descriptor(adopting: lowest)
            var limit = rlimit()
            unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let before = limit.rlim_cur
            limit.rlim_cur = rlim_t(lowest)
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let operation = Operation()
            _ = port.accept(operation, on: handle)
            let failed = worker.next()
            guard failed?.error?.rawValue == EMFILE, worker.rest().isEmpty else { exit(2) }
            limit.rlim_cur = before
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            _ = port.accept(operation, on: handle)
            guard worker.next()?.error == nil, operation.takeAccepted() != nil else { exit(3) }
        }
    }
}
