package import EchoSockets
package import EchoWinsock

/// One message of a ``MessageQueue``.
package enum Message: Hashable, Sendable {
    /// Something happened to a socket.
    case network(NetworkMessage)
    /// The application told itself something.
    ///
    /// The corresponding Win32 function is `PostMessage`.
    case application(ApplicationMessage)
}

/// One event of one socket, as `WSAAsyncSelect` posts it (AS-3).
package struct NetworkMessage: Hashable, Sendable {
    /// Whose: `wParam`.
    ///
    /// The socket may have been closed since; then the handle finds nothing (AS-2).
    package let socket: SlotAddress
    /// What happened, exactly one event: `WSAGETSELECTEVENT(lParam)`.
    package let event: NetworkEvents
    /// The error that comes with it: `WSAGETSELECTERROR(lParam)`.
    package let error: Errno?

    /// A message from its parts.
    package init(socket: SlotAddress, event: NetworkEvents, error: Errno?) {
        self.socket = socket
        self.event = event
        self.error = error
    }
}

/// A message of the application's own, with a meaning only it knows.
package struct ApplicationMessage: Hashable, Sendable {
    /// Which kind of message.
    package let code: UInt32
    /// What it is about.
    package let parameter: UInt64

    /// A message from its parts.
    package init(code: UInt32, parameter: UInt64 = 0) {
        self.code = code
        self.parameter = parameter
    }
}
