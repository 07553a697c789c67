import EchoProactor
import EchoSockets
import EchoWinsock

/// A datagram socket that is served by an overlapped operation: a receive that is posted ahead
/// (`WSARecvFrom`), and posted again when what it brought has been sent back, or after a failure.
final class OverlappedDatagrams: DatagramMember {
    private let echo: DatagramEcho
    private let loop: OverlappedLoop
    private let operation: EchoProactor.Operation
    private let socket: SocketHandle
    private let number: CInt
    private var isEnded = false

    /// Takes over a socket, and posts the first receive.
    ///
    /// - Parameters:
    ///   - endpoint: where it is.
    ///   - loop: carries the operation out.
    ///   - context: settings, counts and log.
    ///   - notice: how it learns that the operation has ended.
    /// - Throws: why it cannot be served.
    init(
        _ endpoint: DatagramEndpoint,
        _ loop: OverlappedLoop,
        _ context: ServingContext,
        _ notice: OverlappedConnection.Notice
    ) throws(SystemError) {
        self.loop = loop
        let taken = try endpoint.take()
        number = taken.number
        echo = DatagramEcho(taken, endpoint, context)
        operation = .forDatagrams()
        socket = try loop.adopt(taken)
        switch notice {
        case .event(let event): operation.event = event
        case .routine(let routine): operation.routine = routine
        }
        operation.owner = self
        post()
    }

    private func post() {
        _ = loop.receiveFrom(operation, into: echo.batch, on: socket)
    }

    /// The operation has ended: its event is signalled, or its routine runs.
    func completed() {
        guard !isEnded, take() else { return }
        post()
    }

    // The result says whether it succeeded (OV-3).
    private func take() -> Bool {
        switch operation.result {
        case .success(let count): echo.completed(count, on: number)
        case .failure(let errno): echo.completed(-Int(errno.rawValue), on: number)
        case .incomplete: return false
        }
        return true
    }

    func end() {
        guard !isEnded else { return }
        isEnded = true
        // It may have ended without having been taken.
        _ = take()
        echo.drain(number)
        loop.close(socket)
        operation.owner = nil
    }
}
