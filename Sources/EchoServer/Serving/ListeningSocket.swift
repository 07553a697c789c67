import Sockets
import Synchronization

/// A listening socket that several threads may accept from and any may close.
final class ListeningSocket: Sendable {
    /// Where it is bound.
    let address: SocketAddress
    /// Whether it came from outside: connections still queued are left to whoever has it next.
    let isInherited: Bool
    /// The descriptor, for waiting on it until ``close()``.
    let number: CInt
    private let listener: Mutex<Listener?>

    /// Takes over a listener.
    init(_ listener: consuming Listener) {
        address = listener.address
        isInherited = listener.isInherited
        number = listener.number
        self.listener = Mutex(listener)
    }

    /// Accepts the first queued connection; `.nothing` after ``close()``.
    func accept(blocking: Bool) -> AcceptOutcome {
        listener.withLock { listener -> sending AcceptOutcome in
            switch listener {
            case .some(let open): return open.accept(blocking: blocking)
            case .none: return .nothing
            }
        }
    }

    /// Whether ``close()`` has not been called yet.
    var isOpen: Bool {
        listener.withLock { listener in
            switch listener {
            case .some: true
            case .none: false
            }
        }
    }

    /// Closes it.
    ///
    /// Connections still queued are reset by the kernel, unless it is inherited.
    func close() {
        listener.withLock { $0 = nil }
    }
}
