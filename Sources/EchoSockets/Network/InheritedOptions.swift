import Glibc
import Synchronization

/// The options that connections are to inherit from one listening socket.
///
/// Two kinds of connections do not inherit them, and get theirs one by one: those that the kernel
/// completed before the listening socket had the options, as a service manager's socket may have
/// queued some, and those of another kind than the listening socket (multipath TCP with a peer that
/// supports only TCP). Any thread.
struct InheritedOptions: ~Copyable, Sendable {
    /// The names of those that the socket does not support.
    let unavailable: [String]
    private let options: [SocketOption]
    /// Whether urgent bytes are to stay in the stream.
    let urgentInline: Bool
    // Once one connection has inherited all of them, all later ones do.
    private let areInherited: Atomic<Bool>

    /// Sets them on a listening socket, as far as it supports them.
    ///
    /// - Parameters:
    ///   - socket: any.
    ///   - family: its address family; Unix sockets have none of these options.
    ///   - wanted: the options that connections should have.
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
            // The effective value: the kernel doubles the size of a buffer.
            options[index].effect = options[index].current(on: socket) ?? options[index].value
        }
        self.unavailable = unavailable
        urgentInline = wanted.urgentInline
        self.options = options
        areInherited = Atomic(options.isEmpty || !isListening)
    }

    /// Sets the options that an accepted connection has not inherited.
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
