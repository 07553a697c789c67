import EchoSockets

/// What other threads have queued to a loop's thread.
final class RoutineMail: Sendable {
    private let bodies = Locked<[@Sendable () -> Void]>([])

    /// Puts a body in.
    ///
    /// - Returns: whether the thread must be woken: it has not been since it last looked.
    func put(_ body: @escaping @Sendable () -> Void) -> Bool {
        bodies.withLock { bodies in
            bodies.append(body)
            return bodies.count == 1
        }
    }

    /// Takes everything out.
    func take() -> [@Sendable () -> Void] {
        bodies.withLock { bodies in
            defer { bodies = [] }
            return bodies
        }
    }
}
