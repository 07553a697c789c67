extension EchoServer {
    /// Every setting of a server.
    ///
    /// Read once, by ``EchoServer/init(configuration:logger:metricsFactory:)``.
    public struct Configuration: Sendable {
        /// The I/O model.
        ///
        /// Default: ``IOModel/completionPort``.
        public var model: IOModel

        /// Where to listen.
        ///
        /// Default: port 5150 of localhost, both 127.0.0.1 and ::1. Nothing is reachable from the
        /// network unless you ask for it.
        public var listen: [Endpoint]

        /// Listening sockets opened elsewhere, served in addition to ``listen``; if there are any,
        /// ``listen`` may be empty.
        ///
        /// Default: none. See ``InheritedSocket/takeFromEnvironment()``.
        public var inherited: [InheritedSocket]

        /// Threads that serve connections, for ``IOModel/completionPort``; the model determines the
        /// number for the others.
        ///
        /// From 1 to 1024; `nil` (default): one per processor available to the process, by its
        /// affinity mask and the quota of its control group.
        public var workers: Int?

        /// Maximum number of concurrent connections.
        ///
        /// At least 1; `nil` (default): as many as there are descriptors, or as the model can
        /// serve.
        public var maximumConnections: Int?

        /// What happens to new connections while ``maximumConnections`` are being served.
        ///
        /// Default: ``FullPolicy/reject``.
        public var whenFull: FullPolicy

        /// Maximum number of concurrent connections per peer: an IPv4 address, an IPv6 /64, or a
        /// user for Unix sockets.
        ///
        /// Further ones are reset. At least 1; `nil` (default): no limit.
        public var maximumConnectionsPerPeer: Int?

        /// The accept condition: called for each connection before it is served, after the limits,
        /// like the condition function of `WSAAccept`.
        ///
        /// Called on the accepting thread, one call at a time for each listening socket; it must
        /// return quickly and not block. Default: `nil`, every connection is accepted.
        public var admission: (@Sendable (AdmissionRequest) -> AdmissionDecision)?

        /// Time without progress in either direction after which a connection is closed.
        ///
        /// A server that was stopped or delayed first handles what has arrived meanwhile. Over TCP,
        /// bytes that leave for a peer that reads slowly are progress, too, before there is room
        /// for more in the socket.
        ///
        /// Greater than zero; `nil` (default): never.
        public var idleTimeout: Duration?

        /// Silence after which the kernel probes a TCP peer.
        ///
        /// It probes three times, a third of this time apart, in whole seconds, rounded up. Without
        /// an answer the connection is closed as ``CloseReason/peerLost``, after twice this time in
        /// total, or up to two seconds more: 4 s for 1 s. A peer that
        /// acknowledges no pending bytes for that long, or keeps its window closed for that long
        /// because it does not read, counts as lost as well. Both are socket options
        /// (`SO_KEEPALIVE`, `TCP_USER_TIMEOUT`, tcp(7)) and cost the server no CPU.
        ///
        /// From 1 s to 9 h, in whole seconds, rounded up; default 2 min. `nil`: never, unless an
        /// inherited socket has keepalive on.
        public var keepalive: Duration?

        /// The most bytes received at once.
        ///
        /// From 64 to 16 MiB; default 64 KiB.
        ///
        /// Each serving thread has a buffer of this size. With the models on the proactor, buffers
        /// are not larger than ``pendingLimit``, and a thread of ``IOModel/overlapped`` or
        /// ``IOModel/overlappedRoutine`` has one for each receive that is being handled, and keeps
        /// 64.
        public var receiveBufferSize: Int

        /// The kernel's receive buffer per TCP connection, in bytes (`SO_RCVBUF`, socket(7)).
        ///
        /// The kernel clamps the number to `net.core.rmem_max` and doubles it for its own overhead.
        /// It bounds the throughput of a connection over a long distance: at most this many bytes
        /// per round trip.
        ///
        /// From 4 KiB to 1 GiB; default 256 KiB. `nil` leaves the size to the kernel, up to
        /// `net.ipv4.tcp_rmem`, or to an inherited socket.
        public var socketReceiveBuffer: Int?

        /// Pending bytes per connection before the server stops reading from it; reading resumes
        /// when less than half is pending (high-water and low-water marks).
        ///
        /// From 64 to 1 GiB; default 64 KiB. A thread that blocks in `send` does not receive: with
        /// ``IOModel/threadPerClient``, a connection never has more than ``receiveBufferSize``
        /// pending.
        public var pendingLimit: Int

        /// Length of the kernel's accept queue for each endpoint; the kernel caps it at
        /// `net.core.somaxconn`.
        ///
        /// At least 1; default `SOMAXCONN` (4096).
        public var backlog: Int

        /// The permissions of Unix socket files: whoever may write to the file may connect.
        ///
        /// From 0 to 0o777; `nil` (default) leaves them to the process's umask. A file never has
        /// more than these, not even at first. Does not apply to ``inherited`` sockets.
        public var socketMode: UInt32?

        /// The group of Unix socket files: a name or a number.
        ///
        /// The process must belong to it, or be root. `nil` (default) leaves it to the kernel. Does
        /// not apply to ``inherited`` sockets.
        public var socketGroup: String?

        /// How long the server keeps accepting after it was asked to stop, before it drains: the
        /// time that a load balancer needs to notice that ``EchoServer/isReady`` is `false`.
        ///
        /// Applies to graceful shutdown in a service group, and to
        /// ``EchoServer/shutdown(drainingFor:)`` without a timeout. Not negative; default zero.
        public var shutdownDelay: Duration

        /// How long the server may drain its connections after it was asked to stop, and after
        /// ``shutdownDelay``.
        ///
        /// Not negative; default 5 s.
        public var drainTimeout: Duration

        /// How long a serving loop polls for more to do before it sleeps, at most.
        ///
        /// Trades CPU time for latency, and only where that pays: a loop that has polled in vain
        /// sleeps, an idle one never polls, and no more threads poll at a time than leave a
        /// processor to others, or one where there is only one. ``IOModel/threadPerClient`` has no
        /// loop, and does not poll.
        ///
        /// From zero, which means never, to 1 s; default zero. `nil`: 50 us, about what a thread
        /// needs to sleep and wake.
        public var busyPoll: Duration?

        /// Whether large streams bypass user space, splice(2).
        ///
        /// For ``IOModel/select``, ``IOModel/asyncSelect`` and ``IOModel/eventSelect``. The others
        /// have received the bytes by the time they learn of them, or would need a pipe for each
        /// connection. A serving thread opens a pipe of two descriptors for its first large stream,
        /// and closes it when its last connection ends. It blocks `SIGPIPE` for itself from then
        /// on; the process's own handling of the signal stays as it is.
        ///
        /// Default: ``Splicing/auto``.
        public var splice: Splicing

        /// Whether datagrams are left unanswered that may be part of a loop: another echo service
        /// answers each answer, and so on for ever (CVE-2024-2169).
        ///
        /// These are datagrams from ports below 1024, from ports that the server listens on itself,
        /// more than ``datagramRate`` from one source, and identical ones (of the same length, with
        /// the same first and last 128 bytes) that keep coming from one source less than 0.75 s
        /// apart: of these one is dropped after half a second, and then one in 128. Without a
        /// guard, one forged datagram can keep two servers busy until one of them is stopped.
        /// Default: `true`.
        public var loopGuard: Bool

        /// The most datagrams per second that are answered to one source, an IPv4 address or an
        /// IPv6 /64, with ``loopGuard``; twice as many may come at once.
        ///
        /// Further ones are dropped. From 1 to 1,000,000; default 1,000.
        public var datagramRate: Int

        /// Settings; those not given have their defaults.
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
            busyPoll: Duration? = .zero,
            splice: Splicing = .auto,
            loopGuard: Bool = true,
            datagramRate: Int = 1_000
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
            self.splice = splice
            self.loopGuard = loopGuard
            self.datagramRate = datagramRate
        }
    }
}

extension EchoServer.Configuration {
    /// What happens to connections when the server is full.
    ///
    /// The raw value is the name on the command line.
    public enum FullPolicy: String, CaseIterable, Sendable, Codable {
        /// They are reset: the peer notices at once.
        case reject
        /// They stay queued in the kernel and are served first come, first served.
        case `defer`
    }

    /// Whether bytes go from a socket back to it through a pipe, without being copied, splice(2).
    ///
    /// The raw value is the name on the command line.
    public enum Splicing: String, CaseIterable, Sendable, Codable {
        /// Those of connections that have received at least 32 KiB at once four times in a row, as
        /// long as they go on so and the peer takes everything.
        case auto
        /// None.
        case never
    }
}

extension EchoServer {
    /// What an accept condition receives about a connection.
    public struct AdmissionRequest: Sendable {
        /// The peer's address; for a Unix socket usually without a path.
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
        /// times a second (`CF_DEFER`). Later connections on the same endpoint wait as well.
        case `defer`
    }
}
