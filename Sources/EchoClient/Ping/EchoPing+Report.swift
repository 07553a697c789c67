extension EchoPing {
    /// What has become of a probe.
    public struct Probe: Hashable, Sendable {
        /// The endpoint: an index of ``EchoPing/endpoints``.
        public let endpoint: Int
        /// Which probe of the endpoint it is, from 0.
        public let sequence: Int
        /// When it was due, since the start.
        public let due: Duration
        /// How much later the timer woke the thread for it.
        public let lateness: Duration
        /// When it was sent, since the start; `nil` if it was not.
        public let sent: Duration?
        /// How long connecting took, if a connection was opened for it.
        public let connect: Duration?
        /// What has become of it.
        public let outcome: Outcome
    }

    /// What may become of a probe.
    @nonexhaustive
    public enum Outcome: Hashable, Sendable {
        /// All of its bytes came back in time.
        case received(roundTrip: Duration)
        /// It has no answer, for a reason such as `no echo within 1s`.
        case lost(reason: String)
        /// All of its bytes came back after it had been counted as lost, which it remains.
        case late(roundTrip: Duration)
        /// Its datagram came back again, after it was answered; over UDP only.
        case duplicate(roundTrip: Duration)
        /// Other bytes came back; the text says which.
        case wrong(evidence: String)
        /// Bytes came back that belong to no probe, after this one, or other datagrams for one that
        /// was answered; the text says which.
        case surplus(evidence: String)
        /// It was not sent, nor those after it, because this process itself was late by more than
        /// an interval.
        case missed(count: Int)
    }

    /// What a run has measured.
    public struct Report: Sendable {
        /// How long it ran.
        public let duration: Duration
        /// The endpoints, in the order of ``EchoPing/endpoints``.
        public let endpoints: [EndpointReport]
        /// How much later than due the timer woke the thread, for all probes: noise of this
        /// machine, not of the servers.
        public let lateness: Times?
    }

    /// What a run has measured of one endpoint.
    public struct EndpointReport: Sendable {
        /// The endpoint.
        public internal(set) var endpoint: EchoEndpoint
        /// The numeric address of the last connection, such as `127.0.0.1:7`, or where the last
        /// datagram was sent; `nil` before the first.
        public internal(set) var address: String?
        /// Probes whose moment came, and that were sent if there was a connection.
        public internal(set) var sent = 0
        /// Probes whose bytes came back in time.
        public internal(set) var received = 0
        /// Probes without an answer in time.
        public internal(set) var lost = 0
        /// Of the lost ones, those that were answered later.
        public internal(set) var late = 0
        /// Datagrams that came back again after their probe was answered; over UDP only.
        public internal(set) var duplicates = 0
        /// Probes that other bytes came back for.
        public internal(set) var wrong = 0
        /// Connections on which bytes came back that belong to no probe; over UDP, such datagrams.
        public internal(set) var surplus = 0
        /// Probes that were not sent because this process was late by more than an interval.
        public internal(set) var missed = 0
        /// Connections that were established; none over UDP.
        public internal(set) var connections = 0
        /// Attempts to connect that failed.
        public internal(set) var failedConnections = 0
        /// The last reason why a probe was lost or wrong, or why there is no address.
        public internal(set) var lastFailure: String?
        /// How long looking up the name took; `nil` for a numeric address.
        public internal(set) var resolve: Duration?
        /// How long connecting took; `nil` over UDP.
        public internal(set) var connect: Times?
        /// From the send to the last byte of the echo, of the probes received.
        public internal(set) var roundTrip: Times?
        /// The mean absolute difference between successive round trips: the mean of the absolute
        /// delay variation of RFC 3393, not the smoothed estimate of RFC 3550.
        public internal(set) var jitter: Duration?
        /// Why there is no connection, or nothing that could answer datagrams, for the exit code.
        package internal(set) var connectError: ConnectError?

        /// Probes that were still on their way when the run ended.
        public var outstanding: Int { sent - received - lost - wrong }

        /// The part of the probes that was lost, from 0 to 1; `nil` if none was settled.
        ///
        /// Those still on their way do not count. Without an address, everything is lost.
        public var loss: Double? {
            let settled = received + lost + wrong
            if settled == 0 { return connectError == nil ? nil : 1 }
            return Double(lost) / Double(settled)
        }

        init(_ endpoint: EchoEndpoint) {
            self.endpoint = endpoint
        }
    }

    /// A distribution of times.
    public struct Times: Hashable, Sendable {
        /// How many were measured.
        public let samples: Int
        /// The shortest.
        public let minimum: Duration
        /// The time that half of them do not exceed; `nil` for fewer than 2 samples.
        public let p50: Duration?
        /// The time that 90 % of them do not exceed; `nil` for fewer than 10 samples.
        public let p90: Duration?
        /// The time that 99 % of them do not exceed; `nil` for fewer than 100 samples.
        public let p99: Duration?
        /// The longest.
        public let maximum: Duration
        /// The arithmetic mean.
        public let mean: Duration
        /// The standard deviation of the samples.
        public let standardDeviation: Duration
    }
}
