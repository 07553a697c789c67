import Glibc
import Synchronization

/// Keeps the peers of one listening Unix socket from passing descriptors (`SCM_RIGHTS`, unix(7)).
///
/// A descriptor that is not received is closed by the thread that receives the accompanying bytes,
/// or that closes the connection; and closing a TCP socket may take as long as its owner likes
/// (`SO_LINGER`, socket(7)). Kernels from 6.16 on let a socket refuse them (`SO_PASSRIGHTS`): the
/// sender gets `EPERM`, and connections inherit it. Without this option, connections are screened
/// (``ScreenedSockets``). Any thread.
struct PassedDescriptors: ~Copyable, Sendable {
    private enum State: UInt8, AtomicRepresentable {
        /// Connections inherit the refusal.
        case refused
        /// Connections that were queued before have not inherited it.
        case mayBeQueued
        /// The kernel cannot refuse them.
        case screened
    }

    private let state: Atomic<State>
    private let isAdopted: Bool

    // Not in every C library.
    private static let passRights: CInt = 83
    // Messages of these kinds would look like passed descriptors, and are not needed.
    private static let otherMessages: [CInt] = [SO_PASSCRED, SO_PASSSEC, 76]

    /// Makes a socket refuse descriptors.
    ///
    /// - Parameters:
    ///   - socket: any.
    ///   - family: its address family; only peers of Unix sockets can pass descriptors.
    ///   - isListening: whether connections may have been queued before.
    init(on socket: borrowing Socket, family: CInt, isListening: Bool) {
        isAdopted = isListening
        guard family == AF_UNIX else {
            state = Atomic(.refused)
            return
        }
        if (try? socket.setOption(level: SOL_SOCKET, Self.passRights, 0)) != nil {
            state = Atomic(isListening ? .mayBeQueued : .refused)
        } else {
            state = Atomic(.screened)
            // Connections not yet accepted are closed with it.
            if !isListening { ScreenedSockets.insert(socket.number) }
        }
        if isListening { Self.dropMessages(of: socket) }
    }

    private static func dropMessages(of socket: borrowing Socket) {
        for option in otherMessages { try? socket.setOption(level: SOL_SOCKET, option, 0) }
    }

    /// Applies to an accepted connection what it has not inherited.
    func complete(_ connection: borrowing Socket) {
        switch state.load(ordering: .relaxed) {
        case .refused: return
        case .mayBeQueued:
            if (try? connection.option(level: SOL_SOCKET, Self.passRights)) == 0 {
                return state.store(.refused, ordering: .relaxed)
            }
            try? connection.setOption(level: SOL_SOCKET, Self.passRights, 0)
        case .screened: break
        }
        if isAdopted { Self.dropMessages(of: connection) }
        ScreenedSockets.insert(connection.number)
    }
}
