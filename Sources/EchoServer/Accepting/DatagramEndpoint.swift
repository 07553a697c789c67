import EchoSockets

/// A bound datagram socket, until the model that serves it takes it.
///
/// Any thread.
final class DatagramEndpoint: Sendable {
    /// Where it is bound.
    let address: SocketAddress
    /// Whether it was inherited: what is still queued is left to its next owner.
    let isInherited: Bool
    /// What the service manager calls it, if it is inherited.
    let name: String?
    /// The names of the options that the kernel does not know.
    let unavailableOptions: [String]
    /// The descriptor, for waiting on it.
    let number: CInt
    /// The ports of all datagram sockets of its server.
    let ports: DatagramPorts
    private let socket: Locked<DatagramSocket?>

    /// Takes over a socket.
    init(_ socket: consuming DatagramSocket, name: String? = nil, _ ports: DatagramPorts) {
        address = socket.address
        isInherited = socket.isInherited
        unavailableOptions = socket.unavailableOptions
        number = socket.number
        self.name = name
        self.ports = ports
        if let port = address.port { ports.add(port) }
        self.socket = Locked(socket)
    }

    /// Releases the socket to the model that serves it.
    ///
    /// - Throws: `ENOTSOCK` after ``close()``.
    func take() throws(SystemError) -> DatagramSocket {
        guard let taken = socket.withLock({ $0.take() }) else {
            throw SystemError(call: "recvmmsg", errno: .notASocket)
        }
        return taken
    }

    /// Closes the socket, unless it has been taken.
    func close() {
        socket.withLock { $0 = nil }
    }
}

/// The ports on which a server listens for datagrams.
///
/// Any thread; complete once all sockets are open.
final class DatagramPorts: Sendable {
    private let ports = Locked<[UInt16]>([])

    fileprivate func add(_ port: UInt16) {
        ports.withLock { if !$0.contains(port) { $0.append(port) } }
    }

    /// All of them, each once.
    var all: [UInt16] { ports.withLock { $0 } }
}
