import Glibc
import Synchronization

/// The options that connections are to inherit from one listening socket.
///
/// Connections that the kernel completed before the socket had them, as a service manager's socket
/// may have queued some, and those of sockets of another kind than the listening one (multipath TCP
/// with a peer that knows only TCP), are given theirs one by one. Any thread.
struct InheritedOptions: ~Copyable, Sendable {
    /// The names of those that the socket does not know.
    let unavailable: [String]
    private let options: [SocketOption]
    // From the first connection on that has all of them, all have.
    private let areInherited: Atomic<Bool>

    /// Sets them on a listening socket, as far as it knows them.
    ///
    /// - Parameters:
    ///   - socket: any.
    ///   - family: its address family; Unix sockets have none of these options.
    ///   - wanted: what connections are to have.
    ///   - isListening: whether connections may have been queued before.
    init(
        on socket: borrowing Socket,
        family: CInt,
        _ wanted: ConnectionOptions,
        isListening: Bool
    ) {
        var unavailable: [String] = []
        var options = family == AF_UNIX ? [] : wanted.options
        for index in options.indices {
            if !options[index].set(on: socket) { unavailable.append(options[index].name) }
            // What the kernel made of it: it doubles the size of a buffer.
            options[index].effect = options[index].current(on: socket) ?? options[index].value
        }
        self.unavailable = unavailable
        self.options = options
        areInherited = Atomic(options.isEmpty || !isListening)
    }

    /// Sets what an accepted connection has not inherited.
    func complete(_ connection: borrowing Socket) {
        guard !areInherited.load(ordering: .relaxed) else { return }
        var isComplete = true
        for option in options where option.current(on: connection) != option.effect {
            isComplete = false
            option.set(on: connection)
        }
        if isComplete { areInherited.store(true, ordering: .relaxed) }
    }
}
