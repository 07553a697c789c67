import EchoSockets

/// A socket that was accepted and admitted, and not yet taken over by a connection.
struct AcceptedSocket: ~Copyable {
    let socket: Socket
    let peer: Peer
}

/// The result of handing an admitted connection to a model.
enum HandOver: ~Copyable {
    /// The model serves it.
    case served
    /// Something is lacking for now, such as a thread: the connection is returned.
    case lacking(Errno, AcceptedSocket)
}
