import EchoProactor
import EchoSockets
import EchoTestSupport
import EchoWinsock
import Glibc
import Testing

/// Receives of datagrams that are posted ahead (`WSARecvFrom`).
@Suite(.timeLimit(.minutes(5)))
struct DatagramTests {
    private let client: DatagramClient
    private let address: SocketAddress
    private let number: CInt
    private let batch: DatagramBatch
    private let socket: HandedOver<OneSocket>

    private final class OneSocket {
        var socket: DatagramSocket?

        init(_ socket: consuming DatagramSocket) {
            self.socket = consume socket
        }
    }

    init() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        client = try DatagramClient()
        address = socket.address
        number = socket.number
        batch = DatagramBatch(for: socket)
        self.socket = HandedOver(OneSocket(socket))
    }

    private func takeSocket() throws -> DatagramSocket {
        guard let taken = socket.value.socket.take() else {
            throw SystemError(call: "socket", errno: .notASocket)
        }
        return taken
    }

    @Test func `a receive signals its event when there are datagrams, each time`() throws {
        let loop = try OverlappedLoop()
        let events = EventSet()
        let handle = try loop.adopt(takeSocket())
        let operation = Operation.forDatagrams()
        operation.event = events.makeEvent()
        for round in 1...3 {
            #expect(loop.receiveFrom(operation, into: batch, on: handle) == .pending)
            #expect(loop.receiveFrom(operation, into: batch, on: handle) == busy)
            #expect(loop.wait(for: events, timeout: .zero) == .timedOut)
            for _ in 0..<round { try client.send([UInt8(round)], to: address) }
            #expect(loop.wait(for: events, timeout: patience) == .signalled(0))
            #expect(operation.result == .success(bytes: round))
            #expect(batch.withMessage(round - 1) { unsafe $0.bytes.first } == UInt8(round))
        }
        loop.close(handle)
    }

    private var busy: Submission { .refused(Errno(rawValue: EBUSY)) }

    /// Otherwise one error would end the service of its socket.
    @Test func `a receive that has failed can be posted again`() throws {
        let loop = try OverlappedLoop()
        let events = EventSet()
        let handle = try loop.adopt(takeSocket())
        let operation = Operation.forDatagrams()
        operation.event = events.makeEvent()
        try reportError()
        #expect(loop.receiveFrom(operation, into: batch, on: handle) == .pending)
        #expect(loop.wait(for: events, timeout: patience) == .signalled(0))
        #expect(operation.result == .failure(Errno(rawValue: ECONNREFUSED)))
        #expect(loop.receiveFrom(operation, into: batch, on: handle) == .pending)
        try client.send([1], to: address)
        #expect(loop.wait(for: events, timeout: patience) == .signalled(0))
        #expect(operation.result == .success(bytes: 1))
        loop.close(handle)
    }

    // Has the kernel report that a datagram to a closed port was refused.
    private func reportError() throws {
        var one: CInt = 1
        _ = unsafe setsockopt(number, CInt(IPPROTO_IP), 11, &one, 4)
        var gone: DatagramClient? = try DatagramClient()
        let closed = try #require(gone?.address)
        gone = nil
        _ = unsafe closed.withSockaddr { unsafe sendto(number, nil, 0, 0, $0, $1) }
    }

    @Test func `closing indicates what is pending as aborted`() throws {
        let loop = try OverlappedLoop()
        let events = EventSet()
        let handle = try loop.adopt(takeSocket())
        let operation = Operation.forDatagrams()
        operation.event = events.makeEvent()
        _ = loop.receiveFrom(operation, into: batch, on: handle)
        loop.close(handle)
        #expect(loop.wait(for: events, timeout: .zero) == .signalled(0))
        #expect(operation.result == .failure(Errno(rawValue: ECANCELED)))
        let stale = Submission.refused(Errno(rawValue: ENOTSOCK))
        #expect(loop.receiveFrom(operation, into: batch, on: handle) == stale)
    }

    @Test func `a receive on a port gives one packet with the number of messages`() throws {
        let port = try CompletionPort()
        let worker = CompletionPort.Worker(of: port)
        let owner = Owner()
        let handle = try port.adopt(takeSocket(), receivingInto: batch, owner: owner)
        for round in 1...3 {
            #expect(port.receiveFrom(handle) == .pending)
            #expect(port.receiveFrom(handle) == busy)
            for _ in 0..<round { try client.send([UInt8(round)], to: address) }
            guard case .success(let packet) = worker.dequeue(timeout: patience) else {
                Issue.record("no packet")
                return
            }
            #expect(packet.kind == .receiveFrom && packet.byteCount == round)
            #expect(packet.withOwner(Owner.self) { $0 === owner } == true)
            #expect(batch.withMessage(round - 1) { unsafe $0.bytes.first } == UInt8(round))
        }
        try reportError()
        port.receiveFrom(handle)
        guard case .failure(let refused) = worker.dequeue(timeout: patience) else {
            Issue.record("no failure")
            return
        }
        #expect(refused.error?.rawValue == ECONNREFUSED)
        port.receiveFrom(handle)
        #expect(port.cancelAll(on: handle))
        guard case .failure(let packet) = worker.dequeue(timeout: patience) else {
            Issue.record("no failure")
            return
        }
        #expect(packet.error?.rawValue == ECANCELED)
        port.close(handle)
    }

    private final class Owner {}
}
