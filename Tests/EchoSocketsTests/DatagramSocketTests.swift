import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct DatagramSocketTests {
    @Test func `port 0 becomes a free port, and the socket is not inherited by programs`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        #expect((socket.address.port ?? 0) > 0)
        #expect(socket.isInherited == false)
        #expect(socket.unavailableOptions.isEmpty)
        #expect(DescriptorFlags(of: socket.number) == [.open, .closeOnExec, .nonBlocking])
    }

    @Test func `an address in use is refused, although nobody listens`() throws {
        let first = try DatagramSocket(.loopback(port: 0))
        let error = #expect(throws: SystemError.self) { _ = try DatagramSocket(first.address) }
        #expect(error?.errno.rawValue == EADDRINUSE)
    }

    @Test func `IPv4 and IPv6 are bound to the same port side by side`() throws {
        let four = try DatagramSocket(.ipv4(0, port: 0))
        let port = try #require(four.address.port)
        let six = try DatagramSocket(.ipv6(0, 0, port: port, scope: 0))
        #expect(six.address.port == port)
    }

    @Test func `a Unix address is refused`() {
        let error = #expect(throws: SystemError.self) { _ = try DatagramSocket(.unix("/tmp/x")) }
        #expect(error?.errno.rawValue == EAFNOSUPPORT)
    }

    @Test func `a bound socket is adopted, and answers`() throws {
        let bound = try openSocket(.loopback(port: 0))
        let socket = try DatagramSocket(adopting: bound)
        #expect(socket.isInherited == true)
        #expect(DescriptorFlags(of: socket.number) == [.open, .closeOnExec, .nonBlocking])
        let client = try DatagramClient()
        try client.send([1, 2, 3], to: socket.address)
        let batch = DatagramBatch(for: socket)
        try #require(isReadable(socket.number))
        answerAll(batch, socket.number)
        #expect(try client.receive()?.bytes == [1, 2, 3])
    }

    @Test func `what the kernel dropped before a socket was adopted is not counted`() throws {
        let client = try DatagramClient()
        let first = try DatagramSocket(.loopback(port: 0))
        let address = first.address
        func overflow() throws { for _ in 0..<5000 { try client.send([1], to: address) } }
        try overflow()
        let socket = try DatagramSocket(adopting: Descriptor(adopting: first.release()))
        let batch = DatagramBatch(for: socket)
        func takeAll() { while answerAll(batch, socket.number) > 0 {} }
        // Those that were queued before are told an earlier number than that of the adoption.
        takeAll()
        try client.send([2], to: address)
        takeAll()
        #expect(batch.takeDrops() == 0)
        try overflow()
        takeAll()
        try client.send([2], to: address)
        takeAll()
        #expect((1...5000).contains(batch.takeDrops()))
    }

    @Test func `what is no UDP socket waiting for anybody is not adopted`() throws {
        #expect(refusal(try openSocket(.loopback(port: 0), SOCK_STREAM)) == EINVAL)
        #expect(refusal(try openSocket(nil)) == EINVAL)
        let peer = try DatagramSocket(.loopback(port: 0))
        let connected = try openSocket(.loopback(port: 0))
        try systemCall("connect") {
            unsafe peer.address.withSockaddr { unsafe connect(connected.rawValue, $0, $1) }
        }
        #expect(refusal(connected) == EINVAL)
        let file = Descriptor(adopting: unsafe open("/dev/null", O_RDONLY | O_CLOEXEC))
        #expect(refusal(file) == ENOTSOCK)
        let number = try systemCall("socket") {
            socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        }
        #expect(refusal(Descriptor(adopting: number)) == EINVAL)
    }

    private func refusal(_ descriptor: consuming Descriptor) -> CInt? {
        do {
            _ = try DatagramSocket(adopting: descriptor)
            return nil
        } catch {
            return error.errno.rawValue
        }
    }

    /// An inherited socket may have been told to report errors (`IP_RECVERR`): one of a peer that
    /// is gone must not end a receive.
    @Test func `errors that other hosts report do not come before datagrams`() throws {
        let bound = try openSocket(.loopback(port: 0))
        let number = bound.rawValue
        var one: CInt = 1
        _ = unsafe setsockopt(number, CInt(IPPROTO_IP), 11, &one, 4)
        let socket = try DatagramSocket(adopting: bound)
        let batch = DatagramBatch(for: socket)
        try refuseAnswer(batch, socket)
        let client = try DatagramClient()
        try client.send([7], to: socket.address)
        try #require(isReadable(number))
        #expect(batch.receive(from: number) == 1)
        #expect(batch.withMessage(0) { $0.source } == InternetAddress(client.address))
    }

    // Answers a peer that has gone meanwhile, so that its host complains.
    private func refuseAnswer(_ batch: DatagramBatch, _ socket: borrowing DatagramSocket) throws {
        var gone: DatagramClient? = try DatagramClient()
        try gone?.send([1], to: socket.address)
        try #require(isReadable(socket.number))
        #expect(batch.receive(from: socket.number) == 1)
        gone = nil
        batch.answer(0..<1, of: 0, to: socket.number)
        batch.flush(to: socket.number)
    }
}

/// A bound socket as a service manager makes it; not bound if there is no address.
private func openSocket(
    _ address: SocketAddress?,
    _ type: __socket_type = SOCK_DGRAM
) throws -> Descriptor {
    let number = try systemCall("socket") { socket(AF_INET, CInt(type.rawValue), 0) }
    if let address {
        try systemCall("bind") { unsafe address.withSockaddr { unsafe bind(number, $0, $1) } }
    }
    return Descriptor(adopting: number)
}

/// Receives once, and sends back all that came.
///
/// - Returns: what the receive returned.
@discardableResult
func answerAll(_ batch: DatagramBatch, _ number: CInt) -> Int {
    let count = batch.receive(from: number)
    for index in 0..<max(0, count) {
        let datagrams = batch.withMessage(index) { $0.count } ?? 0
        batch.answer(0..<datagrams, of: index, to: number)
    }
    batch.flush(to: number)
    return count
}
