import CEchoLinux
import Glibc

/// The result of one attempt to accept a connection.
package enum AcceptOutcome: ~Copyable {
    /// A connection and its peer.
    case accepted(Socket, peer: SocketAddress)
    /// No connection is queued.
    case nothing
    /// The first queued connection was lost before it could be accepted, or the network gave an
    /// error that belongs to it alone: try the next (accept(2), "Error handling").
    case lost(Errno)
    /// The process or the system has run out of descriptors or memory (`EMFILE`, `ENFILE`,
    /// `ENOBUFS`, `ENOMEM`): the connection stays queued; try again later (PF-3).
    case exhausted(Errno)
    /// The listening socket itself is unusable.
    case failed(Errno)
}

/// A listening socket.
///
/// Owns its descriptor and, if it made one, its Unix socket file.
package struct Listener: ~Copyable, Sendable {
    private let socket: Socket
    private let file: SocketFile?
    private let inherited: InheritedOptions
    private let rights: PassedDescriptors
    /// The bound address, with the port resolved.
    package let address: SocketAddress
    /// Whether the socket was inherited, and may outlive this process.
    package let isInherited: Bool

    /// Binds and listens, close-on-exec and non-blocking.
    ///
    /// The corresponding C functions are `socket`, `bind` and `listen`.
    ///
    /// A stale Unix socket file is replaced; one in use is not.
    ///
    /// - Parameters:
    ///   - address: where; port 0 lets the kernel choose.
    ///   - backlog: connections the kernel queues; clamped by it to `net.core.somaxconn`.
    ///   - sharesPort: whether several sockets share the address (`SO_REUSEPORT`).
    ///   - options: the options of its connections.
    ///   - access: who may connect to a Unix socket that has a file.
    /// - Throws: for example `EADDRINUSE`, `EADDRNOTAVAIL` or `EACCES`.
    package init(
        _ address: SocketAddress,
        backlog: CInt = CInt(SOMAXCONN),
        sharesPort: Bool = false,
        options: ConnectionOptions = ConnectionOptions(),
        access: SocketFileAccess = SocketFileAccess()
    ) throws(SystemError) {
        let socket = try Socket(family: address.family)
        let rights = PassedDescriptors(on: socket, family: address.family, isListening: false)
        // Before listening: the first segment fixes the window scale.
        let inherited = InheritedOptions(
            on: socket,
            family: address.family,
            options,
            isListening: false
        )
        let file = try Self.open(socket, address, backlog, sharesPort: sharesPort, access)
        self.address = try socket.boundAddress()
        self.socket = socket
        self.rights = rights
        self.inherited = inherited
        self.file = file
        isInherited = false
    }

    private static func open(
        _ socket: borrowing Socket,
        _ address: SocketAddress,
        _ backlog: CInt,
        sharesPort: Bool,
        _ access: SocketFileAccess
    ) throws(SystemError) -> SocketFile? {
        if case .unix = address {
            return try SocketFile.open(socket, at: address, backlog: backlog, access)
        }
        // Without it a restart may have to wait for the connections of the last process.
        try? socket.setOption(level: SOL_SOCKET, SO_REUSEADDR, 1)
        if sharesPort { try socket.setOption(level: SOL_SOCKET, SO_REUSEPORT, 1) }
        if case .ipv6 = address { try socket.restrictToIPv6(for: address) }
        try socket.bind(to: address)
        try socket.listen(backlog)
        return nil
    }

    /// Adopts a bound and listening socket, such as service managers pass.
    ///
    /// - Parameters:
    ///   - descriptor: the socket.
    ///   - options: the options of its connections, including those already queued.
    /// - Throws: `ENOTSOCK`, or `EINVAL` if it is not a listening stream socket.
    package init(
        adopting descriptor: consuming Descriptor,
        options: ConnectionOptions = ConnectionOptions()
    ) throws(SystemError) {
        let socket = Socket(descriptor)
        let type = try socket.option(level: SOL_SOCKET, SO_TYPE)
        let listening = try socket.option(level: SOL_SOCKET, SO_ACCEPTCONN)
        guard type == streamType, listening == 1, let address = socket.localAddress else {
            throw SystemError(call: "listen", errno: Errno(rawValue: EINVAL))
        }
        try socket.descriptor.setCloseOnExec()
        try socket.descriptor.setNonBlocking(true)
        rights = PassedDescriptors(on: socket, family: address.family, isListening: true)
        inherited = InheritedOptions(
            on: socket,
            family: address.family,
            options,
            isListening: true
        )
        self.address = address
        self.socket = socket
        file = nil
        isInherited = true
    }

    deinit {
        // While the socket is open, because then no other file can have its inode number.
        file?.remove()
    }

    /// The names of the options that the socket does not know.
    package var unavailableOptions: [String] { inherited.unavailable }

    /// The descriptor's number, for waiting until it is readable.
    package var number: CInt { socket.number }

    /// Whether a connection is queued; also `true` if the kernel cannot say.
    package var hasQueue: Bool {
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return unsafe Glibc.poll(&entry, 1, 0) != 0
    }

    /// Accepts the first queued connection, close-on-exec.
    ///
    /// The corresponding C function is `accept4`. Any thread may call it; the kernel gives each
    /// connection to one caller.
    ///
    /// - Parameter blocking: whether the accepted socket blocks. The call itself never does.
    /// - Returns: the connection, or what happened instead.
    package func accept(blocking: Bool = false) -> AcceptOutcome {
        var number = -1
        let flags = closeOnExecFlag | (blocking ? 0 : nonBlockingFlag)
        let peer = unsafe SocketAddress.read { pointer, length in
            let capacity = unsafe length.pointee
            number = transferCall {
                unsafe length.pointee = capacity
                return unsafe Int(accept4(socket.number, pointer, length, flags))
            }
            return CInt(number)
        }
        guard number < 0 else {
            let accepted = Socket(Descriptor(adopting: CInt(number)))
            inherited.complete(accepted)
            if case .unix = address {
                // Inherited by TCP sockets only; kernels before 5.15 have no urgent data here.
                if inherited.urgentInline { try? accepted.setUrgentInline() }
                rights.complete(accepted)
            }
            return .accepted(accepted, peer: peer ?? .unix(""))
        }
        // The kernel allocates a descriptor before it checks the queue.
        if number == -Int(EMFILE) || number == -Int(ENFILE), !hasQueue { return .nothing }
        return AcceptOutcome(Errno(rawValue: CInt(-number)))
    }
}

extension AcceptOutcome {
    /// What a failed `accept4` means for the listening socket (accept(2), "Error handling").
    package init(_ error: Errno) {
        if error.isWouldBlock {
            self = .nothing
            return
        }
        switch error.rawValue {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .exhausted(error)
        case EBADF, EFAULT, EINVAL, ENOTSOCK, EOPNOTSUPP: self = .failed(error)
        default: self = .lost(error)
        }
    }
}
