extension EchoServer {
    /// A server's counts since it was started.
    ///
    /// A snapshot: it does not change. Counts lag slightly: a client may receive its last bytes a
    /// moment before ``bytesSent`` includes them.
    public struct Statistics: Hashable, Sendable {
        /// Connections accepted and served.
        public internal(set) var accepted: UInt64 = 0
        /// Connections being served now.
        public internal(set) var active = 0
        /// Connections turned away, by reason.
        public internal(set) var rejected: [RejectionReason: UInt64] = [:]
        /// Connections that were accepted and then deferred, first in line, before they were
        /// admitted.
        ///
        /// Connections that wait in the kernel's queue are not counted.
        public internal(set) var deferred: UInt64 = 0
        /// Connections ended, by reason.
        public internal(set) var closed: [CloseReason: UInt64] = [:]
        /// Bytes received to be echoed.
        public internal(set) var bytesReceived: UInt64 = 0
        /// Bytes sent back; never more than have been received.
        public internal(set) var bytesSent: UInt64 = 0
        /// Accept calls that failed: connections lost before they were accepted, and lack of
        /// descriptors, memory or threads.
        public internal(set) var acceptFailures: UInt64 = 0
        /// Times that reading from a connection was paused because too many bytes were pending.
        public internal(set) var backPressureEpisodes: UInt64 = 0

        /// Datagrams received, answered or not.
        public internal(set) var datagramsReceived: UInt64 = 0
        /// Datagrams sent back; never more than have been received.
        public internal(set) var datagramsSent: UInt64 = 0
        /// Datagrams that were not answered, by reason.
        public internal(set) var datagramsRefused: [DatagramRefusal: UInt64] = [:]
        /// Datagrams that were too long for the receive buffer, and not answered.
        ///
        /// None of UDP is, unless the network joins more than a datagram may have.
        public internal(set) var datagramsTruncated: UInt64 = 0
        /// Datagrams that the kernel dropped because the socket's queue was full.
        ///
        /// The kernel says so with the next datagram.
        public internal(set) var datagramsDropped: UInt64 = 0
        /// Datagrams that could not be sent back, for example because the kernel's buffer was full;
        /// they are not sent later.
        public internal(set) var datagramSendFailures: UInt64 = 0

        /// Datagrams that were not answered, for any reason.
        public var datagramsRefusedTotal: UInt64 { datagramsRefused.values.reduce(0, +) }
        /// Connections turned away, for any reason.
        public var rejectedTotal: UInt64 { rejected.values.reduce(0, +) }
        /// Connections ended, for any reason.
        public var closedTotal: UInt64 { closed.values.reduce(0, +) }
    }

    /// Why a connection was turned away.
    public enum RejectionReason: String, CaseIterable, Sendable, Codable {
        /// ``Configuration/maximumConnections`` were being served.
        case full
        /// ``Configuration/maximumConnectionsPerPeer`` of the same peer were being served.
        case peerLimit = "peer-limit"
        /// ``Configuration/admission`` rejected it.
        case condition
        /// The I/O model cannot serve that many: see ``IOModel/select``.
        case modelCapacity = "model-capacity"
        /// There was no memory left to serve it.
        case resources
    }

    /// Why a connection ended.
    public enum CloseReason: String, CaseIterable, Sendable, Codable {
        /// The peer ended its stream and received everything it was owed.
        case peerClosed = "peer-closed"
        /// The peer reset the connection, or left without reading what it was owed.
        case reset
        /// The peer stopped answering: for twice ``Configuration/keepalive`` it acknowledged
        /// neither the kernel's probes nor pending bytes.
        case peerLost = "peer-lost"
        /// The connection failed for another reason.
        case failed
        /// There was no progress for ``Configuration/idleTimeout``.
        case idleTimeout = "idle-timeout"
        /// The server shut down, and everything had been delivered.
        case drained
        /// The server shut down before the connection had become quiet.
        case aborted
    }
}
