package import EchoSockets
package import EchoWinsock

/// One event of one socket, as `WSAAsyncSelect` posts it (AS-3).
package struct NetworkMessage: Hashable, Sendable {
    /// The socket: `wParam`.
    ///
    /// The socket may have been closed since; then the handle finds nothing (AS-2).
    package let socket: SocketHandle
    /// The event, exactly one: `WSAGETSELECTEVENT(lParam)`.
    package let event: NetworkEvents
    private let compactError: CompactErrno

    /// A message from its parts.
    package init(
        socket: SocketHandle,
        event: NetworkEvents,
        error: CompactErrno = CompactErrno()
    ) {
        self.socket = socket
        self.event = event
        compactError = error
    }

    /// The error that comes with it: `WSAGETSELECTERROR(lParam)`.
    package var error: Errno? { compactError.errno }
}
