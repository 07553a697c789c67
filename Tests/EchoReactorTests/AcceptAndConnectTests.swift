import EchoSockets
import EchoWinsock
import Glibc
import Testing

@testable import EchoReactor

@Suite(.timeLimit(.minutes(5)))
struct AcceptAndConnectTests {
    /// Connects, and keeps the connecting ends.
    private func clients(_ count: Int, to listener: NetworkListener) throws -> [Peer] {
        let address = try #require(listener.localAddress)
        return try (0..<count).map { _ in
            let socket = try Socket(family: AF_INET, blocking: true)
            _ = try socket.connect(to: address)
            return Peer(socket)
        }
    }

    private func listener(_ loop: EventLoop) throws -> NetworkListener {
        try NetworkListener(loop, adopting: try Listener(.loopback(port: 0)))
    }

    @Test func `AS-11: one ACCEPT for each accept, though several are queued`() throws {
        let fixture = try Fixture()
        let listener = try listener(fixture.loop)
        let clients = try clients(3, to: listener)
        try listener.select(.accept, postingTo: fixture.queue)
        for _ in 0..<3 {
            #expect(fixture.events(1) == [.accept])
            let found = isAccepted(listener.accept())
            #expect(found)
        }
        #expect(fixture.rest() == [])
        #expect(clients.count == 3)
    }

    @Test func `SEL-10, PF-3: a connection that is left queued costs no turn`() throws {
        let fixture = try Fixture()
        let listener = try listener(fixture.loop)
        let clients = try clients(2, to: listener)
        try listener.select(.accept, postingTo: fixture.queue)
        #expect(fixture.events(1) == [.accept])
        #expect(fixture.isQuiet)
        listener.enableAccept()
        #expect(fixture.events(1) == [.accept])
        #expect(clients.count == 2)
    }

    @Test func `AS-10: an accepted socket inherits the selection, and its events start at once`()
        throws
    {
        let fixture = try Fixture()
        let listener = try listener(fixture.loop)
        let clients = try clients(1, to: listener)
        try listener.select([.accept, .read, .write], postingTo: fixture.queue)
        #expect(fixture.events(1) == [.accept])
        guard case .accepted(let socket, _) = listener.accept() else {
            Issue.record("nothing accepted")
            return
        }
        let handle = SocketHandle(slot: 7, generation: 3)
        let accepted = try listener.inheritor(adopting: socket, as: handle)
        clients[0].send("x")
        let messages = fixture.messages(2)
        #expect(messages.map(\.event) == [.write, .read])
        #expect(messages.allSatisfy { $0.socket == handle })
        // Until it is selected anew.
        try accepted.select(.close, postingTo: fixture.queue)
        clients[0].send("y")
        #expect(fixture.rest() == [])
    }

    @Test func `ES-7: an accepted socket inherits the event, and has a record of its own`() throws {
        let fixture = try Fixture()
        let listener = try listener(fixture.loop)
        let clients = try clients(1, to: listener)
        let events = EventSet()
        let event = try #require(events.makeEvent())
        try listener.select([.accept, .read], signalling: event)
        #expect(fixture.loop.wait(for: events) == .signalled(0))
        #expect(try listener.enumerateNetworkEvents(resetting: event).events == .accept)
        guard case .accepted(let socket, _) = listener.accept() else {
            Issue.record("nothing accepted")
            return
        }
        let accepted = try listener.inheritor(adopting: socket)
        clients[0].send("x")
        #expect(fixture.loop.wait(for: events) == .signalled(0))
        #expect(try listener.enumerateNetworkEvents().events == [])
        #expect(try accepted.enumerateNetworkEvents(resetting: event).events == .read)
    }

    @Test func `AS-12: CONNECT comes without error, and WRITE after it`() throws {
        let fixture = try Fixture()
        let listener = try Listener(.loopback(port: 0))
        let socket = try NetworkSocket(
            fixture.loop,
            adopting: try Socket(family: AF_INET),
            phase: .unconnected
        )
        try socket.select([.connect, .read, .write, .close], postingTo: fixture.queue)
        #expect(fixture.rest() == [])
        // SEL-6: a socket that was never connected reports a hang-up, which must not matter.
        #expect(fixture.isQuiet)
        try socket.connect(to: listener.address)
        let messages = fixture.messages(2)
        #expect(messages.map(\.event) == [.connect, .write])
        #expect(messages.allSatisfy { $0.error == nil })
        #expect(socket.phase == .connected)
        guard case .accepted(let accepted, _) = listener.accept() else {
            Issue.record("nothing accepted")
            return
        }
        accepted.sendText("x")
        #expect(fixture.events(1) == [.read])
    }

    @Test func `AS-12: CONNECT carries the error of a refused connection`() throws {
        let fixture = try Fixture()
        let refusing: SocketAddress
        do {
            let listener = try Listener(.loopback(port: 0))
            refusing = listener.address
        }
        let socket = try NetworkSocket(
            fixture.loop,
            adopting: try Socket(family: AF_INET),
            phase: .unconnected
        )
        try socket.select([.connect, .write, .close], postingTo: fixture.queue)
        try socket.connect(to: refusing)
        let messages = fixture.messages(1)
        #expect(messages.map(\.event) == [.connect])
        #expect(messages.first?.error == Errno(rawValue: ECONNREFUSED))
        #expect(socket.phase == .unconnected)
        #expect(fixture.isQuiet)
    }

    @Test func `a connection that cannot be attempted throws and tells nothing`() throws {
        let fixture = try Fixture()
        let socket = try NetworkSocket(
            fixture.loop,
            adopting: try Socket(family: AF_INET),
            phase: .unconnected
        )
        try socket.select(.connect, postingTo: fixture.queue)
        #expect(throws: SystemError.self) { try socket.connect(to: .loopback6(port: 1)) }
        #expect(fixture.rest() == [])
    }

    @Test func `PF-1: a loop of select refuses a large descriptor before libevent sees it`() throws
    {
        let fixture = try Fixture(.select)
        let (_, peer) = try fixture.pair()
        let large = fcntl(peer.socket?.number ?? -1, F_DUPFD_CLOEXEC, 1024)
        try #require(large >= 1024)
        #expect(throws: SystemError.self) {
            _ = try NetworkSocket(
                fixture.loop,
                adopting: Socket(Descriptor(adopting: large))
            )
        }
    }
}

/// Whether there was a connection; closes it.
private func isAccepted(_ outcome: consuming AcceptOutcome) -> Bool {
    switch outcome {
    case .accepted: true
    default: false
    }
}
