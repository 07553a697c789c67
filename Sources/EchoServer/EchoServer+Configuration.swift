package import EchoSockets

extension EchoServer {
    /// Every setting of a server.
    ///
    /// Read once, by ``EchoServer/init(configuration:logger:metricsFactory:)``.
    public struct Configuration: Sendable {
        /// How input and output are done.
        ///
        /// Default: ``IOModel/completionPort``.
        public var model: IOModel

        /// Where to listen.
        ///
        /// Default: port 5150 of localhost, both 127.0.0.1 and ::1. Nothing is reachable from the
        /// network unless asked for.
        public var listen: [Endpoint]

        /// Listening sockets that somebody else opened, served in addition to ``listen``; with
        /// some of them, ``listen`` may be empty.
        ///
        /// Default: none. See ``InheritedSocket/takeFromEnvironment()``.
        public var inherited: [InheritedSocket]

        /// Threads that serve connections, for ``IOModel/completionPort``; the other models have
        /// the number their definition gives.
        ///
        /// At least 1; `nil` (default): one for each processor that the process may use, by its
        /// affinity mask and the quota of its control group.
        public var workers: Int?

        /// Connections served at once.
        ///
        /// At least 1; `nil` (default): as many as there are descriptors, or as the model can
        /// serve.
        public var maximumConnections: Int?

        /// What happens to further connections when ``maximumConnections`` are being served.
        ///
        /// Default: ``FullPolicy/reject``.
        public var whenFull: FullPolicy

        /// Connections served at once for one peer: an IPv4 address, a /64 of IPv6, a user for Unix
        /// sockets.
        ///
        /// Further ones are reset. At least 1; `nil` (default): no limit.
        public var maximumConnectionsPerPeer: Int?

        /// The accept condition: asked for each connection before it is served, after the limits,
        /// as the condition function of `WSAAccept` is.
        ///
        /// Called on the accepting thread, one call at a time for each listening socket; it must
        /// return quickly and not block. Default: `nil`, every connection is accepted.
        public var admission: (@Sendable (AdmissionRequest) -> AdmissionDecision)?

        /// Time without progress in either direction after which a connection is closed.
        ///
        /// A server that was stopped or held up goes on first with what has arrived meanwhile.
        ///
        /// Greater than zero; `nil` (default): never.
        public var idleTimeout: Duration?

        /// Silence after which the kernel asks whether a TCP peer is still there: three times, a
        /// third of this time apart; without an answer the connection is closed as
        /// ``CloseReason/peerLost``, after twice this time in all.
        ///
        /// As long a peer may take to acknowledge anything of what it is owed; one whose window
        /// stays closed for so long, because it does not read, counts as gone as well. Options of
        /// sockets (`SO_KEEPALIVE`, `TCP_USER_TIMEOUT`, tcp(7)): neither costs the server any
        /// CPU.
        ///
        /// From 1 s to 9 h, in whole seconds, rounded up; default 2 min. `nil`: never, unless an
        /// inherited socket has it on.
        public var keepalive: Duration?

        /// Bytes received at once, at most.
        ///
        /// From 64 to 16 MiB; default 64 KiB.
        ///
        /// One buffer of this size for each worker.
        public var receiveBufferSize: Int

        /// Bytes that the kernel keeps of what a TCP peer has sent, before the server reads them
        /// (`SO_RCVBUF`, socket(7)).
        ///
        /// The kernel clamps the number to `net.core.rmem_max` and doubles it for what it needs
        /// itself. It bounds the throughput of a connection over a long way: this size, for each
        /// round trip.
        ///
        /// From 4 KiB to 1 GiB; default 256 KiB. `nil`: as much as the kernel likes, up to
        /// `net.ipv4.tcp_rmem`, or what an inherited socket has.
        public var socketReceiveBuffer: Int?

        /// Bytes that one connection may owe its peer; above, it is not read until less than half
        /// is owed (high-water and low-water marks).
        ///
        /// From 64 to 1 GiB; default 64 KiB. A thread that blocks in `send` does not receive: with
        /// ``IOModel/threadPerClient`` a connection owes no more than ``receiveBufferSize``.
        public var pendingLimit: Int

        /// Connections the kernel queues on each endpoint before they are accepted; it clamps the
        /// number to `net.core.somaxconn`.
        ///
        /// At least 1; default `SOMAXCONN` (4096).
        public var backlog: Int

        /// The permissions of the files of Unix sockets: who may write to the file may connect.
        ///
        /// From 0 to 0o777; `nil` (default): what the process's umask leaves. A file never has
        /// more than these, not even at first. Not for ``inherited`` sockets.
        public var socketMode: UInt32?

        /// The group of the files of Unix sockets: its name, or its number.
        ///
        /// The process must belong to it, or be root. `nil` (default): what the kernel gives a new
        /// file. Not for ``inherited`` sockets.
        public var socketGroup: String?

        /// How long the server goes on accepting after it was asked to stop, before it drains:
        /// the time that a load balancer takes to notice that ``EchoServer/isReady`` is `false`.
        ///
        /// For graceful shutdown in a service group, and for
        /// ``EchoServer/shutdown(drainingFor:)`` without a timeout. Not negative; default zero.
        public var shutdownDelay: Duration

        /// How long the server goes on serving its connections after it was asked to stop, and after
        /// ``shutdownDelay``.
        ///
        /// Not negative; default 5 s.
        public var drainTimeout: Duration

        /// How long a worker of ``IOModel/completionPort`` looks for completions without sleeping,
        /// before it waits; no other model does.
        ///
        /// Spends CPU for latency. Not negative; default zero.
        public var busyPoll: Duration

        /// Settings; whatever is not given has its default.
        public init(
            model: IOModel = .completionPort,
            listen: [Endpoint] = [.tcp("localhost", port: 5150)],
            inherited: [InheritedSocket] = [],
            workers: Int? = nil,
            maximumConnections: Int? = nil,
            whenFull: FullPolicy = .reject,
            maximumConnectionsPerPeer: Int? = nil,
            admission: (@Sendable (AdmissionRequest) -> AdmissionDecision)? = nil,
            idleTimeout: Duration? = nil,
            keepalive: Duration? = .seconds(120),
            receiveBufferSize: Int = 64 * 1024,
            socketReceiveBuffer: Int? = 256 * 1024,
            pendingLimit: Int = 64 * 1024,
            backlog: Int = 4096,
            socketMode: UInt32? = nil,
            socketGroup: String? = nil,
            shutdownDelay: Duration = .zero,
            drainTimeout: Duration = .seconds(5),
            busyPoll: Duration = .zero
        ) {
            self.model = model
            self.listen = listen
            self.inherited = inherited
            self.workers = workers
            self.maximumConnections = maximumConnections
            self.whenFull = whenFull
            self.maximumConnectionsPerPeer = maximumConnectionsPerPeer
            self.admission = admission
            self.idleTimeout = idleTimeout
            self.keepalive = keepalive
            self.receiveBufferSize = receiveBufferSize
            self.socketReceiveBuffer = socketReceiveBuffer
            self.pendingLimit = pendingLimit
            self.backlog = backlog
            self.socketMode = socketMode
            self.socketGroup = socketGroup
            self.shutdownDelay = shutdownDelay
            self.drainTimeout = drainTimeout
            self.busyPoll = busyPoll
        }
    }
}

extension EchoServer.Configuration {
    /// What ``keepalive`` may be.
    package static let keepaliveRange: ClosedRange<Duration> = .seconds(1) ... .seconds(9 * 3600)

    /// What connections have from their listening socket.
    var connectionOptions: ConnectionOptions {
        ConnectionOptions(
            keepalive: keepalive,
            receiveBuffer: socketReceiveBuffer.map { CInt(clamping: $0) }
        )
    }

    /// Who may connect to the Unix sockets that it opens.
    ///
    /// - Throws: ``EchoServer/Failure`` if there is no such group.
    package var socketFileAccess: SocketFileAccess {
        get throws(EchoServer.Failure) {
            var access = SocketFileAccess(mode: socketMode)
            if let socketGroup {
                guard let number = SystemGroup.number(of: socketGroup) else {
                    let name = socketGroup.escapedForLog
                    throw invalid("socketGroup is \"\(name)\"; there is no such group")
                }
                access.group = number
            }
            return access
        }
    }

    /// What happens to connections when the server is full.
    ///
    /// The raw value is the name on the command line.
    public enum FullPolicy: String, CaseIterable, Sendable, Codable {
        /// They are reset: the peer learns at once.
        case reject
        /// They stay queued in the kernel and are served in their turn, first come, first served.
        case `defer`
    }

    /// Checks every value.
    ///
    /// - Throws: ``EchoServer/Failure`` that names the first setting out of range, its value and
    ///   the range.
    public func validate() throws(EchoServer.Failure) {
        try check("workers", workers, 1...1024)
        try check("maximumConnections", maximumConnections, 1...Int(Int32.max))
        try check("maximumConnectionsPerPeer", maximumConnectionsPerPeer, 1...Int(Int32.max))
        try check("receiveBufferSize", receiveBufferSize, 64...(16 << 20))
        try check("socketReceiveBuffer", socketReceiveBuffer, 4096...(1 << 30))
        try check("pendingLimit", pendingLimit, 64...(1 << 30))
        try check("backlog", backlog, 1...Int(Int32.max))
        if let keepalive, !Self.keepaliveRange.contains(keepalive) {
            throw invalid("keepalive is \(keepalive); it must be from 1 s to 9 h")
        }
        if let socketMode, socketMode > 0o777 {
            let octal = String(socketMode, radix: 8)
            throw invalid("socketMode is 0o\(octal); it must be from 0 to 0o777")
        }
        _ = try socketFileAccess
        if let idleTimeout, idleTimeout <= .zero {
            throw invalid("idleTimeout is \(idleTimeout); it must be greater than zero")
        }
        if shutdownDelay < .zero {
            throw invalid("shutdownDelay is \(shutdownDelay); it must not be negative")
        }
        if drainTimeout < .zero {
            throw invalid("drainTimeout is \(drainTimeout); it must not be negative")
        }
        if busyPoll < .zero { throw invalid("busyPoll is \(busyPoll); it must not be negative") }
    }

    private func check(
        _ name: String,
        _ value: Int?,
        _ range: ClosedRange<Int>
    ) throws(EchoServer.Failure) {
        guard let value, !range.contains(value) else { return }
        throw invalid(
            "\(name) is \(value); it must be from \(range.lowerBound) to \(range.upperBound)"
        )
    }

    private func invalid(_ message: String) -> EchoServer.Failure {
        EchoServer.Failure(.invalidConfiguration, message)
    }
}

extension EchoServer {
    /// What an accept condition is told about a connection.
    public struct AdmissionRequest: Sendable {
        /// Who connects; for a Unix socket usually without a path.
        public let peer: Endpoint
        /// The local address it connected to.
        public let local: Endpoint
        /// Connections being served.
        public let activeConnections: Int
        /// Connections being served for the same peer, as
        /// ``Configuration/maximumConnectionsPerPeer`` counts.
        public let activeConnectionsOfPeer: Int
    }

    /// What an accept condition decides, as the condition function of `WSAAccept` does.
    public enum AdmissionDecision: Sendable {
        /// Serve the connection (`CF_ACCEPT`).
        case accept
        /// Reset the connection (`CF_REJECT`).
        case reject
        /// Keep the connection first in line and ask again later: when a connection ends, and ten
        /// times a second (`CF_DEFER`). Connections behind it on the same endpoint wait too.
        case `defer`
    }
}
