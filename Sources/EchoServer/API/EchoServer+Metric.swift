extension EchoServer {
    /// What a server reports to a metrics backend, through swift-metrics and in the Prometheus text
    /// format.
    ///
    /// The raw value is the name there. Counters only grow; they are zero when the server is
    /// created.
    public enum Metric: String, CaseIterable, Sendable, Codable {
        /// Connections accepted and served.
        ///
        /// Counter.
        case connectionsAccepted = "echo_connections_accepted_total"
        /// Connections being served.
        ///
        /// Gauge.
        case connectionsActive = "echo_connections_active"
        /// Connections turned away, by ``RejectionReason`` in the dimension `reason`.
        ///
        /// Counter.
        case connectionsRejected = "echo_connections_rejected_total"
        /// Connections deferred, first in line, before they were admitted.
        ///
        /// Counter.
        case connectionsDeferred = "echo_connections_deferred_total"
        /// Connections ended, by ``CloseReason`` in the dimension `cause`.
        ///
        /// Counter.
        case connectionsClosed = "echo_connections_closed_total"
        /// Bytes received to be echoed.
        ///
        /// Counter.
        case bytesReceived = "echo_bytes_received_total"
        /// Bytes sent back.
        ///
        /// Counter.
        case bytesSent = "echo_bytes_sent_total"
        /// Accept calls that failed.
        ///
        /// Counter.
        case acceptFailures = "echo_accept_failures_total"
        /// Times that reading from a connection was paused because too many bytes were pending.
        ///
        /// Counter.
        case backPressureEpisodes = "echo_back_pressure_episodes_total"
        /// Datagrams received, answered or not.
        ///
        /// Counter.
        case datagramsReceived = "echo_datagrams_received_total"
        /// Datagrams sent back.
        ///
        /// Counter.
        case datagramsSent = "echo_datagrams_sent_total"
        /// Datagrams not answered, by ``DatagramRefusal`` in the dimension `reason`.
        ///
        /// Counter.
        case datagramsRefused = "echo_datagrams_refused_total"
        /// Datagrams too long for the receive buffer, and not answered.
        ///
        /// Counter.
        case datagramsTruncated = "echo_datagrams_truncated_total"
        /// Datagrams that the kernel dropped because a socket's queue was full.
        ///
        /// Counter.
        case datagramsDropped = "echo_datagrams_dropped_total"
        /// Datagrams that could not be sent back.
        ///
        /// Counter.
        case datagramSendFailures = "echo_datagram_send_failures_total"

        /// One line that describes the metric.
        public var summary: String {
            switch self {
            case .connectionsAccepted: "Connections accepted and served."
            case .connectionsActive: "Connections being served."
            case .connectionsRejected: "Connections turned away, by reason."
            case .connectionsDeferred: "Connections deferred before they were admitted."
            case .connectionsClosed: "Connections ended, by cause."
            case .bytesReceived: "Bytes received to be echoed."
            case .bytesSent: "Bytes sent back."
            case .acceptFailures: "Accept calls that failed."
            case .backPressureEpisodes:
                "Times that reading was paused because too many bytes were pending."
            case .datagramsReceived: "Datagrams received, answered or not."
            case .datagramsSent: "Datagrams sent back."
            case .datagramsRefused: "Datagrams not answered, by reason."
            case .datagramsTruncated: "Datagrams too long for the receive buffer."
            case .datagramsDropped: "Datagrams that the kernel dropped for want of room."
            case .datagramSendFailures: "Datagrams that could not be sent back."
            }
        }

        /// Whether it goes up and down; a counter otherwise.
        public var isGauge: Bool { self == .connectionsActive }

        /// The dimension of its samples; `nil` if it is one number.
        public var dimension: String? {
            switch self {
            case .connectionsRejected, .datagramsRefused: "reason"
            case .connectionsClosed: "cause"
            default: nil
            }
        }
    }
}

/// One number of a metric.
package struct MetricSample: Sendable, Equatable {
    /// The value of the metric's dimension; `nil` if it has none.
    package let dimensionValue: String?
    /// The number.
    package let value: UInt64
}

extension EchoServer.Metric {
    /// Its numbers in a snapshot, zeros included: always the same count, in the same order.
    package func samples(of statistics: EchoServer.Statistics) -> [MetricSample] {
        switch self {
        case .connectionsAccepted: Self.one(statistics.accepted)
        case .connectionsActive: Self.one(UInt64(max(statistics.active, 0)))
        case .connectionsRejected: Self.each(statistics.rejected)
        case .connectionsDeferred: Self.one(statistics.deferred)
        case .connectionsClosed: Self.each(statistics.closed)
        case .bytesReceived: Self.one(statistics.bytesReceived)
        case .bytesSent: Self.one(statistics.bytesSent)
        case .acceptFailures: Self.one(statistics.acceptFailures)
        case .backPressureEpisodes: Self.one(statistics.backPressureEpisodes)
        case .datagramsReceived: Self.one(statistics.datagramsReceived)
        case .datagramsSent: Self.one(statistics.datagramsSent)
        case .datagramsRefused: Self.each(statistics.datagramsRefused)
        case .datagramsTruncated: Self.one(statistics.datagramsTruncated)
        case .datagramsDropped: Self.one(statistics.datagramsDropped)
        case .datagramSendFailures: Self.one(statistics.datagramSendFailures)
        }
    }

    private static func one(_ value: UInt64) -> [MetricSample] {
        [MetricSample(dimensionValue: nil, value: value)]
    }

    private static func each<Reason>(_ counts: [Reason: UInt64]) -> [MetricSample]
    where Reason: RawRepresentable<String> & CaseIterable {
        Reason.allCases.map { reason in
            MetricSample(dimensionValue: reason.rawValue, value: counts[reason] ?? 0)
        }
    }
}
