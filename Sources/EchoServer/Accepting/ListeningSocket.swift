import EchoSockets

/// A source of connections.
protocol ConnectionSource: AnyObject {
    /// Whether ``close()`` has not been called yet.
    var isOpen: Bool { get }
    /// Whether a connection is queued.
    var hasQueue: Bool { get }
    /// Accepts the first queued connection, without waiting for one.
    ///
    /// - Parameter blocking: whether the accepted socket is to block.
    /// - Returns: the connection, or what came instead; `.nothing` after ``close()``.
    func accept(blocking: Bool) -> AcceptOutcome
    /// Closes it.
    ///
    /// Connections still queued are reset by the kernel, unless the socket is inherited.
    func close()
}

/// A listening socket that several threads may accept from and any may close.
final class ListeningSocket: ConnectionSource, Sendable {
    /// Where it is bound.
    let address: SocketAddress
    /// Whether it was inherited: connections still queued are left to its next owner.
    let isInherited: Bool
    /// What the service manager calls it, if it is inherited.
    let name: String?
    /// The names of the options that its connections lack.
    let unavailableOptions: [String]
    /// The descriptor, for waiting on it until ``close()``.
    let number: CInt
    private let listener: Locked<Listener?>

    /// Takes over a listener.
    init(_ listener: consuming Listener, name: String? = nil) {
        self.name = name
        address = listener.address
        isInherited = listener.isInherited
        number = listener.number
        unavailableOptions = listener.unavailableOptions
        self.listener = Locked(listener)
    }

    func accept(blocking: Bool) -> AcceptOutcome {
        listener.withLock { listener -> sending AcceptOutcome in
            switch listener {
            case .some(let open): return open.accept(blocking: blocking)
            case .none: return .nothing
            }
        }
    }

    var isOpen: Bool {
        listener.withLock { listener in
            switch listener {
            case .some: true
            case .none: false
            }
        }
    }

    var hasQueue: Bool {
        listener.withLock { listener in
            switch listener {
            case .some(let open): open.hasQueue
            case .none: false
            }
        }
    }

    /// Releases the listener to a model that stores it elsewhere.
    ///
    /// - Throws: `ENOTSOCK` after ``close()``.
    func take() throws(SystemError) -> Listener {
        guard let taken = listener.withLock({ $0.take() }) else {
            throw SystemError(call: "listen", errno: .notASocket)
        }
        return taken
    }

    func close() {
        listener.withLock { $0 = nil }
    }
}
