import EchoSockets

/// An admitted connection on its way to the worker that will serve it.
final class Arrival {
    /// The peer.
    let peer: Peer
    private var socket: Socket?

    /// Takes over an accepted socket.
    init(_ accepted: consuming AcceptedSocket) {
        peer = accepted.peer
        socket = consume accepted.socket
    }

    /// Hands the socket to its server; once.
    func take() -> Socket? {
        socket.take()
    }

    /// Returns it as it came; `nil` if the socket has been taken.
    func giveBack() -> AcceptedSocket? {
        guard let socket = socket.take() else { return nil }
        return AcceptedSocket(socket: socket, peer: peer)
    }

    /// Resets the connection: it cannot be served after all.
    ///
    /// - Parameters:
    ///   - context: does the accounting.
    ///   - error: what was lacking.
    func refuse(_ context: ServingContext, _ error: Errno) {
        switch socket {
        case .some(let open): open.setResetOnClose()
        case .none: break
        }
        socket = nil
        context.refused(peer, error)
    }
}
