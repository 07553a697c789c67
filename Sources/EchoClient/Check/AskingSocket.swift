import EchoProactor
import EchoSockets
import EchoWinsock
import Glibc

/// Whose socket it is that asks.
///
/// Told on the loop's thread, never from within a call of its own.
protocol AskingSocketUser: AnyObject {
    /// A datagram has come to the client with a number.
    func received(_ bytes: UnsafeRawBufferPointer, from source: InternetAddress, by client: Int)
    /// Datagrams that the client with a number sent have not arrived.
    func failed(_ errors: [DatagramError], of client: Int)
}

/// A client's UDP socket on a loop, with a receive that is always posted.
///
/// Belongs to the loop's thread.
final class AskingSocket {
    private let loop: ClientLoop
    private let server: SocketAddress
    private let client: Int
    private weak var user: (any AskingSocketUser)?
    private let number: CInt
    private let batch: DatagramBatch
    private let handle: SocketHandle
    private let operation = EchoProactor.Operation.forDatagrams()
    private var isOpen = true

    /// - Parameters:
    ///   - loop: whose thread it is for.
    ///   - server: whom it asks.
    ///   - client: the number that its user knows it by.
    ///   - bufferSize: more than any datagram that is expected has.
    ///   - user: is told what comes.
    /// - Throws: for example `EMFILE`.
    init(
        _ loop: ClientLoop,
        _ server: SocketAddress,
        client: Int,
        bufferSize: Int,
        user: any AskingSocketUser
    ) throws(SystemError) {
        self.loop = loop
        self.server = server
        self.client = client
        self.user = user
        let socket = try DatagramSocket.asking(server)
        number = socket.number
        batch = DatagramBatch(for: socket, bufferSize: bufferSize)
        handle = try loop.loop.adopt(socket)
        operation.routine = { [weak self] error, count, _ in self?.completed(error, count) }
        post()
    }

    private func post() {
        _ = loop.loop.receiveFrom(operation, into: batch, on: handle)
    }

    private func completed(_ error: Errno?, _ count: Int) {
        guard isOpen else { return }
        if error == nil {
            for index in 0..<count {
                batch.withMessage(index) { message in
                    unsafe user?.received(message.bytes, from: message.source, by: client)
                }
            }
        } else {
            takeErrors()
        }
        if isOpen { post() }
    }

    // Has to be done after each error: they are kept until they are taken.
    private func takeErrors() {
        let errors = DatagramSocket.takeErrors(of: number)
        if !errors.isEmpty { user?.failed(errors, of: client) }
    }

    /// Sends a datagram to the server.
    ///
    /// - Returns: why the kernel has not taken it.
    func send(_ bytes: [UInt8]) -> Errno? {
        guard let error = DatagramSocket.send(bytes, to: server, from: number) else { return nil }
        guard !error.isWouldBlock else { return error }
        // It may be the error of an earlier datagram.
        let errors = DatagramSocket.takeErrors(of: number)
        guard !errors.isEmpty else { return error }
        loop.at(.now) { [weak self] in
            guard let self, isOpen else { return }
            user?.failed(errors, of: client)
        }
        return DatagramSocket.send(bytes, to: server, from: number)
    }

    /// Closes it; nobody is told.
    func close() {
        guard isOpen else { return }
        isOpen = false
        loop.loop.close(handle)
    }
}
