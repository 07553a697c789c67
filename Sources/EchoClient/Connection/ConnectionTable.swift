import EchoProactor
import EchoSockets

/// The connections of tasks, by number.
///
/// Belongs to the loop's thread.
final class ConnectionTable {
    private let loop: ClientLoop
    private var links: [UInt64: ConnectionLink] = [:]

    /// No connection.
    init(_ loop: ClientLoop) {
        self.loop = loop
    }

    /// The connection of a number; `nil` once it is closed.
    subscript(number: UInt64) -> ConnectionLink? { links[number] }

    /// Begins a connection, whose addresses may not be known yet.
    func begin(
        _ number: UInt64,
        _ endpoint: Endpoint,
        until deadline: MonotonicTime,
        _ call: PendingCall<SocketAddress>
    ) {
        guard !call.isAbandoned else { return }
        links[number] = ConnectionLink(loop, endpoint, until: deadline, call)
    }

    /// Closes a connection.
    func close(_ number: UInt64) {
        links.removeValue(forKey: number)?.close()
    }

    /// Closes all connections.
    func closeAll() {
        for link in links.values { link.close() }
        links = [:]
        // Lets go of what was pending.
        _ = loop.loop.sleep(for: .zero, alertable: true)
    }
}
