/// Measures echo servers side by side.
///
/// Each server meets the same loads, in rounds whose order is random, so that what disturbs the
/// machine disturbs all of them alike. Every byte that comes back is compared with what was sent.
public struct EchoBench: Sendable {
    /// What the clients do in one round.
    public struct Load: Codable, Hashable, Sendable {
        /// Connections that send at the same time.
        public var connections = 1
        /// Bytes of a message, which is echoed as a whole before it counts.
        public var size = 64
        /// Messages that each connection keeps on their way.
        public var inFlight = 1
        /// Messages a second of all connections together, sent on schedule whether or not earlier
        /// answers have come (open loop); `nil` sends each message when an earlier answer has come
        /// (closed loop).
        public var rate: Double?
        /// Whether every message has a connection of its own: connect, echo, close.
        public var isChurn = false
        /// Connections that are open beside the others and send nothing.
        public var idleConnections = 0

        /// One connection with one message of 64 bytes on its way.
        public init() {}
    }

    /// Where a server comes from.
    public enum SubjectKind: String, Codable, Hashable, Sendable {
        /// An I/O model of this package, started for the measurement.
        case model
        /// A server that is running anyway.
        case target
        /// Another program, started for the measurement.
        case command
    }
}
