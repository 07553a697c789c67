package import EchoSockets

/// What has happened to a socket since the last look: the `WSANETWORKEVENTS` of Winsock.
package struct NetworkEventRecord: Hashable, Sendable {
    /// The events; only ones that were selected.
    package let events: NetworkEvents
    private let connectError: Errno?
    private let closeError: Errno?

    package init(events: NetworkEvents, connectError: Errno?, closeError: Errno?) {
        self.events = events
        self.connectError = events.contains(.connect) ? connectError : nil
        self.closeError = events.contains(.close) ? closeError : nil
    }

    /// The error of one of the events, `nil` if it had none or did not happen (`iErrorCode`).
    package func error(of event: NetworkEvents) -> Errno? {
        switch event {
        case .connect: connectError
        case .close: closeError
        default: nil
        }
    }
}
