import EchoSockets
import EchoTestSupport
import Glibc
import Testing

/// Several datagrams in one message (`UDP_GRO` and `UDP_SEGMENT`), on the loopback interface, which
/// hands a message over as it was sent.
@Suite(.timeLimit(.minutes(5)))
struct DatagramSegmentTests {
    private static let addresses: [SocketAddress] = [.loopback(port: 0), .loopback6(port: 0)]

    @Test(arguments: addresses)
    func `datagrams that come as one message go back as one`(_ address: SocketAddress) throws {
        let socket = try DatagramSocket(address)
        let batch = DatagramBatch(for: socket)
        let client = try DatagramClient(at: address)
        let bytes = pattern(10 * 1_400 + 500)
        try client.setSegmentLength(1_400)
        try client.send(bytes, to: socket.address)
        try #require(isReadable(socket.number))
        #expect(answerAll(batch, socket.number) == 1)
        #expect(batch.withMessage(0) { $0.count } == 11)
        let last = batch.withMessage(0) { unsafe Array($0.datagram(10)) }
        #expect(last == Array(bytes.suffix(500)))
        #expect(batch.takeOutcome().sent == 11)
        #expect(batch.segments)
        for index in 0..<11 { #expect(try client.receive()?.bytes == part(index, of: bytes)) }
    }

    private func part(_ index: Int, of bytes: [UInt8]) -> [UInt8] {
        Array(bytes[(index * 1_400)..<min(bytes.count, (index + 1) * 1_400)])
    }

    @Test func `some of the datagrams of a message can be answered`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let batch = DatagramBatch(for: socket)
        let client = try DatagramClient()
        let bytes = pattern(5 * 1_400)
        try client.setSegmentLength(1_400)
        try client.send(bytes, to: socket.address)
        try #require(isReadable(socket.number))
        #expect(batch.receive(from: socket.number) == 1)
        batch.answer(0..<1, of: 0, to: socket.number)
        batch.answer(2..<4, of: 0, to: socket.number)
        batch.flush(to: socket.number)
        #expect(batch.takeOutcome().sent == 3)
        for index in [0, 2, 3] { #expect(try client.receive()?.bytes == part(index, of: bytes)) }
        // Nothing else came before this one.
        try client.setSegmentLength(0)
        try client.send([9], to: socket.address)
        try #require(isReadable(socket.number))
        answerAll(batch, socket.number)
        #expect(try client.receive()?.bytes == [9])
    }

    /// A socket without checksums cannot send several datagrams as one message (`EINVAL`).
    @Test(arguments: [true, false])
    func `a message that the kernel will not split is sent datagram by datagram`(
        _ isForAll: Bool
    ) throws {
        let socket = try DatagramSocket(isForAll ? .ipv4(0, port: 0) : .loopback(port: 0))
        let port = try #require(socket.address.port)
        let batch = DatagramBatch(for: socket)
        let client = try DatagramClient()
        let bytes = pattern(3 * 1_400 + 1)
        try client.setSegmentLength(1_400)
        try client.send(bytes, to: .loopback(port: port))
        try client.send(bytes, to: .loopback(port: port))
        try #require(isReadable(socket.number))
        var one: CInt = 1
        _ = unsafe setsockopt(socket.number, SOL_SOCKET, SO_NO_CHECK, &one, 4)
        #expect(answerAll(batch, socket.number) == 2)
        #expect(batch.segments == false)
        let result = batch.takeOutcome()
        #expect(result.sent == 8 && result.failed == 0 && result.sentBytes == 2 * bytes.count)
        for index in 0..<8 {
            #expect(try client.receive()?.bytes == part(index % 4, of: bytes))
        }
        // From now on without an attempt.
        try client.send(bytes, to: .loopback(port: port))
        try #require(isReadable(socket.number))
        #expect(answerAll(batch, socket.number) == 1)
        for index in 0..<4 { #expect(try client.receive()?.bytes == part(index, of: bytes)) }
    }

    @Test func `an empty datagram between others stays one`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let batch = DatagramBatch(for: socket)
        let client = try DatagramClient()
        for bytes in [[1], [], [2]] as [[UInt8]] { try client.send(bytes, to: socket.address) }
        try #require(isReadable(socket.number))
        #expect(answerAll(batch, socket.number) == 3)
        for bytes in [[1], [], [2]] as [[UInt8]] { #expect(try client.receive()?.bytes == bytes) }
    }
}
