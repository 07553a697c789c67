import EchoSockets

/// A socket that was accepted and admitted, and not yet taken over by a connection.
struct AcceptedSocket: ~Copyable {
    let socket: Socket
    let peer: Peer
}

/// What became of an admitted connection that was handed to a model.
enum HandOver: ~Copyable {
    /// The model serves it.
    case served
    /// Something is lacking for now, a thread for example: here it is again.
    case lacking(Errno, AcceptedSocket)
}
