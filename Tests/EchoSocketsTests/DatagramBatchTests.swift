import EchoSockets
import EchoTestSupport
import Glibc
import Testing

@Suite(.timeLimit(.minutes(5)))
struct DatagramBatchTests {
    private static let addresses: [SocketAddress] = [.loopback(port: 0), .loopback6(port: 0)]

    @Test(arguments: addresses)
    func `every size from 0 to the largest comes whole, and goes back whole`(
        _ address: SocketAddress
    ) throws {
        let socket = try DatagramSocket(address)
        let batch = DatagramBatch(for: socket)
        let client = try DatagramClient(at: address)
        let largest = address.family == AF_INET ? 65_507 : 65_527
        for size in [0, 1, 2, 1_472, 1_473, 9_000, 65_506, largest] {
            let bytes = pattern(size)
            try client.send(bytes, to: socket.address)
            try #require(isReadable(socket.number))
            #expect(answerAll(batch, socket.number) == 1)
            let answer = try client.receive()
            #expect(answer?.bytes == bytes, "\(size) bytes")
            #expect(answer?.source == socket.address)
        }
        #expect(batch.takeOutcome().sent == 8)
        #expect(batch.takeOutcome() == DatagramBatch.Outcome())
    }

    @Test func `memory is taken only when something is received`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let batch = DatagramBatch(for: socket)
        #expect(batch.hasBuffers == false)
        batch.flush(to: socket.number)
        #expect(batch.hasBuffers == false)
        #expect(batch.receive(from: socket.number) == -Int(EAGAIN))
        #expect(batch.hasBuffers)
    }

    /// The examples of several languages answer from the address of the route.
    @Test(arguments: ["127.0.0.1", "127.0.0.2", "127.77.7.7"])
    func `a socket for all addresses answers from the one that was asked`(_ host: String) throws {
        let socket = try DatagramSocket(.ipv4(0, port: 0))
        let port = try #require(socket.address.port)
        let asked = try #require(SocketAddress(numeric: host, port: port))
        let client = try DatagramClient()
        try client.send([1], to: asked)
        let batch = DatagramBatch(for: socket)
        try #require(isReadable(socket.number))
        answerAll(batch, socket.number)
        #expect(try client.receive()?.source == asked)
        let told = batch.withMessage(0) { $0.destination?.socketAddress.with(port: port) }
        #expect(told == asked)
    }

    @Test func `the destination and the source are told, for IPv6 as well`() throws {
        let socket = try DatagramSocket(.ipv6(0, 0, port: 0, scope: 0))
        let port = try #require(socket.address.port)
        let client = try DatagramClient(at: .loopback6(port: 0))
        try client.send([1], to: .loopback6(port: port))
        let batch = DatagramBatch(for: socket)
        try #require(isReadable(socket.number))
        answerAll(batch, socket.number)
        #expect(try client.receive()?.source == .loopback6(port: port))
        let (source, destination) = try #require(
            batch.withMessage(0) { ($0.source, $0.destination) }
        )
        #expect(source == InternetAddress(client.address))
        #expect(destination == InternetAddress(.loopback6(port: 0)))
        #expect(batch.withMessage(0) { $0.isToGroup } == false)
    }

    @Test func `a broadcast is told from what is sent to one host`() throws {
        let socket = try DatagramSocket(.ipv4(0, port: 0))
        let port = try #require(socket.address.port)
        let client = try DatagramClient()
        try client.allowBroadcast()
        try client.send([1], to: .ipv4(0x7FFF_FFFF, port: port))
        try client.send([2], to: .loopback(port: port))
        let batch = DatagramBatch(for: socket)
        try #require(isReadable(socket.number))
        #expect(batch.receive(from: socket.number) == 2)
        #expect(batch.withMessage(0) { $0.isToGroup } == true)
        #expect(batch.withMessage(1) { $0.isToGroup } == false)
    }

    @Test func `one that does not fit is told to be truncated`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let batch = DatagramBatch(for: socket, bufferSize: 8)
        let client = try DatagramClient()
        try client.send(pattern(8), to: socket.address)
        try client.send(pattern(9), to: socket.address)
        try #require(isReadable(socket.number))
        #expect(batch.receive(from: socket.number) == 2)
        #expect(batch.withMessage(0) { $0.isTruncated } == false)
        #expect(batch.withMessage(1) { $0.isTruncated } == true)
    }

    @Test func `many are received and answered in batches, in order`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let batch = DatagramBatch(for: socket)
        let client = try DatagramClient()
        let count = 2 * DatagramBatch.capacity + 3
        for index in 0..<count { try client.send([UInt8(index)], to: socket.address) }
        try #require(isReadable(socket.number))
        #expect(answerAll(batch, socket.number) == DatagramBatch.capacity)
        #expect(answerAll(batch, socket.number) == DatagramBatch.capacity)
        #expect(answerAll(batch, socket.number) == 3)
        #expect(answerAll(batch, socket.number) == -Int(EAGAIN))
        for index in 0..<count { #expect(try client.receive()?.bytes == [UInt8(index)]) }
        #expect(batch.takeOutcome() == outcome(sent: count, bytes: count))
    }

    /// Where they come one at a time, nothing looks for a second; where many wait, batches begin.
    @Test func `after a lone one they are received singly for a while, and then in batches`() throws
    {
        let socket = try DatagramSocket(.loopback(port: 0))
        let batch = DatagramBatch(for: socket, bufferSize: 8)
        let client = try DatagramClient()
        try client.send([0], to: socket.address)
        try #require(isReadable(socket.number))
        #expect(batch.receiveSome(from: socket.number) == 1)
        #expect(batch.expectsMore)
        #expect(batch.receiveSome(from: socket.number) == -Int(EAGAIN))
        #expect(!batch.expectsMore)
        let count = 40
        for index in 1...count { try client.send([UInt8(index)], to: socket.address) }
        try client.send(pattern(9), to: socket.address)
        var counts: [Int] = []
        var numbers: [UInt8] = []
        while case let found = batch.receiveSome(from: socket.number), found > 0 {
            counts.append(found)
            for index in 0..<found {
                batch.withMessage(index) { message in
                    #expect(message.source == InternetAddress(client.address))
                    #expect(message.isTruncated == (numbers.count == count))
                    numbers.append(unsafe message.bytes[0])
                }
            }
        }
        #expect(counts == Array(repeating: 1, count: 16) + [16, 9])
        #expect(numbers == (1...UInt8(count)).map { $0 } + pattern(1))
    }

    @Test func `what the kernel drops for want of room is counted once`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        var size: CInt = 0
        _ = unsafe setsockopt(socket.number, SOL_SOCKET, SO_RCVBUF, &size, 4)
        let client = try DatagramClient()
        let total = 100
        for _ in 0..<total { try client.send(pattern(500), to: socket.address) }
        let batch = DatagramBatch(for: socket)
        var received = 0
        while case let count = batch.receive(from: socket.number), count > 0 { received += count }
        #expect(received > 0 && received < total)
        // Told with the next that is queued.
        #expect(batch.takeDrops() == 0)
        try client.send([1], to: socket.address)
        try #require(isReadable(socket.number))
        #expect(batch.receive(from: socket.number) == 1)
        #expect(batch.takeDrops() == total - received)
        try client.send([1], to: socket.address)
        try #require(isReadable(socket.number))
        #expect(batch.receive(from: socket.number) == 1)
        #expect(batch.takeDrops() == 0)
    }

    /// Nothing is queued in user space, and one failure is not that of all that follow.
    @Test func `answers that cannot be sent are counted, each of them`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let batch = DatagramBatch(for: socket)
        let client = try DatagramClient()
        for _ in 0..<3 { try client.send([1], to: socket.address) }
        try #require(isReadable(socket.number))
        _ = shutdown(socket.number, CInt(SHUT_WR))
        #expect(answerAll(batch, socket.number) == 3)
        let result = batch.takeOutcome()
        #expect(result.failed == 3)
        #expect(result.error?.rawValue == EPIPE)
        #expect(result.sent == 0)
    }

    private func outcome(sent: Int, bytes: Int) -> DatagramBatch.Outcome {
        var outcome = DatagramBatch.Outcome()
        (outcome.sent, outcome.sentBytes) = (sent, bytes)
        return outcome
    }
}

func pattern(_ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
}
