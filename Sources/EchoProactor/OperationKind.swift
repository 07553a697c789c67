package import EchoSockets
import Glibc

/// What an operation does.
package enum OperationKind: UInt8, Sendable {
    /// Receives what is there. The corresponding Winsock function is `WSARecv`.
    case receive
    /// Sends all of its bytes. The corresponding Winsock function is `WSASend`.
    case send
    /// Accepts one connection. The corresponding Winsock function is `AcceptEx`.
    case accept
    /// Receives datagrams into its batch, and completes with the number of messages. The
    /// corresponding Winsock function is `WSARecvFrom`.
    case receiveFrom
    /// Waits until something can be received, and receives nothing: the zero-byte receive of
    /// OV-11, on any descriptor that epoll(7) can watch.
    case readable
    /// Connects. The corresponding Winsock function is `ConnectEx`.
    case connect
    /// Waits for a moment. The corresponding Windows function is `SetWaitableTimer`.
    case timer
    /// No operation: a packet that was posted by hand (CP-6).
    case posted
}

/// What posting an operation led to: the three outcomes of OV-1.
package enum Submission: Hashable, Sendable {
    /// Done, with so many bytes; the completion is indicated as well, unless the socket skips
    /// packets on success. Winsock's return value 0.
    case completed(bytes: Int)
    /// Under way; its completion is indicated once. Winsock's `WSA_IO_PENDING`.
    case pending
    /// Never started; nothing is indicated.
    case refused(Errno)

    static var staleSocket: Submission { .refused(Errno(rawValue: ENOTSOCK)) }
    static var busy: Submission { .refused(Errno(rawValue: EBUSY)) }
    static var shutDown: Submission { .refused(Errno(rawValue: ESHUTDOWN)) }
    static var tooMany: Submission { .refused(Errno(rawValue: ENOBUFS)) }
}

/// How an operation stands: what `WSAGetOverlappedResult` gives (OV-3).
package enum OperationResult: Hashable, Sendable {
    /// Not finished (`WSA_IO_INCOMPLETE`), or never posted.
    case incomplete
    /// Finished, with so many bytes; a receive of 0 bytes is the peer's graceful end (OV-4).
    case success(bytes: Int)
    /// Failed; `ECANCELED` if its socket was closed (`WSA_OPERATION_ABORTED`).
    case failure(Errno)
}

/// How a socket is treated; given when it is adopted.
package struct AdoptionOptions: OptionSet, Sendable {
    /// The bits.
    package let rawValue: UInt8

    /// A set from its bits.
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// An operation that succeeds at once is not indicated: no packet (CP-7), no event, no routine.
    ///
    /// The corresponding Winsock flag is `FILE_SKIP_COMPLETION_PORT_ON_SUCCESS`.
    package static let skipsPacketOnSuccess = AdoptionOptions(rawValue: 1)
    /// Receives until the kernel says that there is no more, instead of taking a short receive for
    /// a sign of it (PR-3).
    ///
    /// For Unix sockets over which peers pass descriptors.
    package static let receivesUntilWouldBlock = AdoptionOptions(rawValue: 2)
}
