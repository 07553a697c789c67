import EchoProactor
import EchoSockets
import EchoWinsock
import Glibc

/// Whose socket a ``DatagramChannel`` is.
///
/// Called on the loop's thread.
protocol DatagramChannelUser: AnyObject {
    /// A datagram has come; valid during the call.
    func channelReceived(_ message: borrowing DatagramMessage)
    /// A datagram that was sent did not arrive, which ends nothing; also called within a send.
    func channelFailed(_ error: SystemError)
}

/// A client's UDP socket on an ``OverlappedLoop``: sends at once, and always has a receive posted.
///
/// Belongs to the loop's thread. Close it when it is done: it keeps its user until then.
@safe final class DatagramChannel<User: DatagramChannelUser> {
    private let loop: OverlappedLoop
    private let number: CInt
    private let batch: DatagramBatch
    private let reading = EchoProactor.Operation.forDatagrams()
    private var handle: SocketHandle
    private var user: User?

    /// Opens a socket.
    ///
    /// - Parameters:
    ///   - loop: whose thread it belongs to.
    ///   - address: the server.
    ///   - bufferSize: the most bytes of a datagram that are received, at least 1; what is longer
    ///     is marked as truncated.
    ///   - user: is told what comes.
    /// - Throws: for example `ENETUNREACH` or `EMFILE`.
    init(
        _ loop: OverlappedLoop,
        to address: SocketAddress,
        bufferSize: Int,
        user: User
    ) throws(SystemError) {
        let socket = try DatagramSocket(connectedTo: address)
        self.loop = loop
        self.user = user
        number = socket.number
        batch = DatagramBatch(for: socket, bufferSize: bufferSize)
        handle = try loop.adopt(socket)
        reading.routine = { error, count, operation in
            // A reference is counted meanwhile: the user may close the channel and let it go.
            operation.withOwner(DatagramChannel<User>.self) { $0 }?.hasReceived(error, count)
        }
        reading.owner = self
        receive()
    }

    private var isOpen: Bool { handle != .none }

    private func receive() {
        _ = loop.receiveFrom(reading, into: batch, on: handle)
    }

    private func hasReceived(_ error: Errno?, _ count: Int) {
        if let error {
            user?.channelFailed(SystemError(call: "recv", errno: error))
        } else {
            for index in 0..<count {
                batch.withMessage(index) { message in user?.channelReceived(message) }
            }
        }
        if isOpen { receive() }
    }

    /// Sends a datagram, without waiting.
    ///
    /// The corresponding C function is `send`. The user is told of the error of an earlier datagram
    /// that the kernel reports here; then this one is sent all the same.
    ///
    /// - Returns: why it was not sent.
    func send(_ bytes: UnsafeRawBufferPointer) -> SystemError? {
        guard let first = unsafe sendNow(bytes) else { return nil }
        guard !first.errno.isWouldBlock else { return first }
        guard let second = unsafe sendNow(bytes) else {
            user?.channelFailed(first)
            return nil
        }
        return second
    }

    private func sendNow(_ bytes: UnsafeRawBufferPointer) -> SystemError? {
        switch unsafe Socket.send(bytes, to: number) {
        case .bytes, .endOfStream: nil
        case .wouldBlock, .interrupted: SystemError(call: "send", errno: Errno(rawValue: EAGAIN))
        case .failed(let error): SystemError(call: "send", errno: error)
        }
    }

    /// Closes the socket; the user is told nothing more.
    func close() {
        guard isOpen else { return }
        user = nil
        loop.close(handle)
        handle = .none
        reading.owner = nil
    }
}
