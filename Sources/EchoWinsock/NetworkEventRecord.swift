package import EchoSockets

/// What has happened to a socket since the last enumeration: Winsock's `WSANETWORKEVENTS`.
package struct NetworkEventRecord: Hashable, Sendable {
    /// The events; only ones that were selected.
    package let events: NetworkEvents
    private let connectError: CompactErrno
    private let closeError: CompactErrno

    /// A record of events, and the errors of those that have one.
    package init(
        events: NetworkEvents,
        connectError: CompactErrno = CompactErrno(),
        closeError: CompactErrno = CompactErrno()
    ) {
        self.events = events
        self.connectError = connectError
        self.closeError = closeError
    }

    /// The error of one of the events, `nil` if it had none or did not happen (`iErrorCode`).
    package func error(of event: NetworkEvents) -> Errno? {
        guard events.contains(event) else { return nil }
        switch event {
        case .connect: return connectError.errno
        case .close: return closeError.errno
        default: return nil
        }
    }
}
