import EchoSockets
import Glibc

/// A client's UDP socket and whom it asks, for a thread that waits with poll(2).
struct DatagramLink: ~Copyable {
    /// A datagram that came.
    struct Answer: Hashable {
        let bytes: [UInt8]
        let source: InternetAddress
        /// Whether it came from the address that was asked.
        let isFromServer: Bool
    }

    /// The address that is asked.
    private(set) var server: SocketAddress
    private let addresses: [SocketAddress]
    private var place = 0
    private var socket: DatagramSocket
    private var batch: DatagramBatch

    private init(
        _ addresses: [SocketAddress],
        _ first: SocketAddress,
        _ socket: consuming DatagramSocket
    ) {
        self.addresses = addresses
        server = first
        batch = DatagramBatch(for: socket)
        self.socket = socket
    }

    /// Looks an endpoint up, and opens a socket for the first of its addresses.
    ///
    /// Blocks while a name is looked up.
    static func open(_ endpoint: Endpoint) throws(ConnectError) -> DatagramLink {
        let found: [SocketAddress]
        do throws(Endpoint.ResolutionError) {
            found = try endpoint.resolve()
        } catch {
            throw ConnectError(endpoint, .resolution(error))
        }
        let addresses = found.map(\.asDestination)
        guard let first = addresses.first else {
            let nowhere = SystemError(call: "getaddrinfo", errno: Errno(rawValue: EADDRNOTAVAIL))
            throw ConnectError(endpoint, nowhere)
        }
        do throws(SystemError) {
            return DatagramLink(addresses, first, try DatagramSocket.asking(first))
        } catch {
            throw ConnectError(endpoint, error)
        }
    }

    /// Turns to the endpoint's next address.
    ///
    /// - Returns: whether there is one that can be asked.
    mutating func useNextAddress() -> Bool {
        while place + 1 < addresses.count {
            place += 1
            guard let next = try? DatagramSocket.asking(addresses[place]) else { continue }
            socket = next
            batch = DatagramBatch(for: socket)
            server = addresses[place]
            return true
        }
        return false
    }

    /// Waits until the socket or an input is ready, a moment has come, or a signal.
    ///
    /// - Parameters:
    ///   - events: what the socket is to be ready for.
    ///   - input: a descriptor that may become readable; -1 for none.
    ///   - end: the moment; `nil` for none.
    /// - Returns: whether the input is ready.
    func wait(
        for events: Int32,
        input: CInt,
        until end: MonotonicTime?
    ) -> (socket: Bool, input: Bool) {
        var entries = [
            pollfd(fd: socket.number, events: Int16(events), revents: 0),
            pollfd(fd: input, events: Int16(POLLIN), revents: 0),
        ]
        let timeout = end.map { ($0 - .now).millisecondsRoundedUp } ?? -1
        _ = transferCall { unsafe Int(poll(&entries, 2, timeout)) }
        return (entries[0].revents != 0, entries[1].revents != 0)
    }

    /// Sends a datagram to the server, without waiting.
    ///
    /// - Returns: why the kernel has not taken it.
    func send(_ bytes: [UInt8]) -> Errno? {
        DatagramSocket.send(bytes, to: server, from: socket.number)
    }

    /// Takes the errors of what was sent.
    func takeErrors() -> [DatagramError] {
        DatagramSocket.takeErrors(of: socket.number)
    }

    /// Takes the datagrams that have come, at most ``DatagramBatch/capacity``.
    func receive() -> [Answer] {
        let count = max(0, batch.receive(from: socket.number))
        let server = InternetAddress(server)
        return (0..<count).compactMap { index in
            batch.withMessage(index) { message in
                Answer(
                    bytes: unsafe Array(message.bytes),
                    source: message.source,
                    isFromServer: message.source == server
                )
            }
        }
    }
}
