import EchoSockets
import EchoTestSupport
import Glibc
import Logging
import Testing

@testable import EchoServer

/// What is the same in all models about a datagram socket.
@Suite(.timeLimit(.minutes(5)))
struct DatagramEchoTests {
    private let context = ServingContext(
        EchoServer.Configuration(),
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    )

    @Test(arguments: [true, false])
    func `the end answers what is queued, but for the next owner of an inherited socket`(
        _ isInherited: Bool
    ) throws {
        let bound = try DatagramSocket(.loopback(port: 0))
        let address = bound.address
        let socket =
            isInherited
            ? try DatagramSocket(adopting: Descriptor(adopting: bound.release())) : bound
        let number = socket.number
        let endpoint = DatagramEndpoint(socket, DatagramPorts())
        let taken = try endpoint.take()
        let echo = DatagramEcho(taken, endpoint, context)
        let client = try DatagramClient()
        let count = 3 * DatagramBatch.capacity
        for index in 0..<count { try client.send([UInt8(index)], to: address) }
        try #require(isReadable(number))
        echo.drain(number)
        #expect(isReadable(number, within: .zero) == isInherited)
        #expect(context.statistics.datagramsSent == (isInherited ? 0 : UInt64(count)))
        _ = consume taken
    }

    @Test func `all ports of a server are its own, each once`() throws {
        let ports = DatagramPorts()
        let first = try DatagramSocket(.loopback(port: 0))
        let port = try #require(first.address.port)
        let second = try DatagramSocket(.loopback6(port: port))
        let endpoints = [DatagramEndpoint(first, ports), DatagramEndpoint(second, ports)]
        #expect(endpoints[0].ports.all == [port])
    }

    /// The worker has connections to drain, too.
    @Test func `the end does not wait for receives that only fail`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let endpoint = DatagramEndpoint(socket, DatagramPorts())
        let taken = try endpoint.take()
        let echo = DatagramEcho(taken, endpoint, context)
        let start = MonotonicTime.now
        echo.drain(-1)
        #expect(MonotonicTime.now - start < .seconds(5))
        _ = consume taken
    }

    /// Receiving from what is no socket any more must not use all of a processor.
    @Test func `a receive that keeps failing pauses, and is not taken for an end`() throws {
        let socket = try DatagramSocket(.loopback(port: 0))
        let endpoint = DatagramEndpoint(socket, DatagramPorts())
        let taken = try endpoint.take()
        let echo = DatagramEcho(taken, endpoint, context)
        let start = MonotonicTime.now
        for _ in 0..<25 { #expect(echo.completed(-Int(ENOMEM), on: -1)) }
        // The first failures may be of single datagrams; the last ten wait 10 ms each.
        #expect(MonotonicTime.now - start >= .milliseconds(100))
        #expect(echo.completed(-Int(EAGAIN), on: -1) == false)
        _ = consume taken
    }
}
