extension EchoBench {
    /// A figure of a report, whose raw value is its name in JSON and in `--fail-if`.
    package enum Metric: String, CaseIterable, Codable, Hashable, Sendable {
        /// Echoes a second.
        case rate
        /// Bytes a second that came back.
        case throughput
        /// The 50th percentile of the latency, in nanoseconds.
        case p50
        /// The 90th percentile of the latency, in nanoseconds.
        case p90
        /// The 99th percentile of the latency, in nanoseconds.
        case p99
        /// The 99.9th percentile of the latency, in nanoseconds.
        case p999
        /// The server's processor time per echo, in microseconds.
        case cpu
        /// The server's system calls per echo.
        case syscalls
        /// The server's context switches per echo.
        case switches
        /// Bytes of the server's memory that each connection takes.
        case memory
        /// The clients' processor time, in processors.
        case client
        /// Bytes that were not those expected.
        case wrong
        /// Connections that were refused, or ended by the server.
        case failed
        /// Messages that could not be sent on schedule.
        case missed
        /// Datagrams that did not come back in time.
        case lost

        /// Whether higher values are better; `nil` if neither is.
        package var isHigherBetter: Bool? {
            switch self {
            case .rate, .throughput: true
            case .client: nil
            default: false
            }
        }

        /// Whether it is the sum over all rounds instead of their median.
        package var isTotal: Bool {
            switch self {
            case .wrong, .failed, .missed, .lost: true
            default: false
            }
        }

        /// The percentile, if it is one.
        package var percentile: Double? {
            switch self {
            case .p50: 50
            case .p90: 90
            case .p99: 99
            case .p999: 99.9
            default: nil
            }
        }
    }
}

extension EchoBench.Load {
    /// Whether messages are sent on schedule, so that the latency counts from the intended moment.
    package var isOpenLoop: Bool { rate != nil }
}

extension EchoBench.Round {
    /// A figure of this round.
    ///
    /// - Parameters:
    ///   - metric: which.
    ///   - isOpenLoop: whether latencies count from the intended moment of sending.
    /// - Returns: `nil` if it was not measured, or nothing came back to divide by.
    package func value(of metric: EchoBench.Metric, isOpenLoop: Bool = false) -> Double? {
        switch metric {
        case .rate: seconds > 0 ? Double(echoes) / seconds : nil
        case .throughput: seconds > 0 ? Double(bytes) / seconds : nil
        case .p50: (isOpenLoop ? responseP50 : p50).map { Double($0) }
        case .p90: nil
        case .p99: (isOpenLoop ? responseP99 : p99).map { Double($0) }
        case .p999: (isOpenLoop ? responseP999 : p999).map { Double($0) }
        case .cpu: server.flatMap { perEcho(($0.userSeconds + $0.systemSeconds) * 1_000_000) }
        case .syscalls: server?.systemCalls.flatMap { perEcho(Double($0)) }
        case .switches:
            server.flatMap {
                perEcho(Double($0.voluntarySwitches) + Double($0.involuntarySwitches))
            }
        case .memory: server?.memoryPerConnection
        case .client: seconds > 0 ? clientProcessorSeconds / seconds : nil
        case .wrong: Double(wrongBytes)
        case .failed: Double(failedConnections)
        case .missed: missedSends.map { Double($0) }
        case .lost: lostDatagrams.map { Double($0) }
        }
    }

    private func perEcho(_ amount: Double) -> Double? {
        echoes > 0 ? amount / Double(echoes) : nil
    }
}

extension EchoBench.Latency {
    /// The time that a part of the samples does not exceed: that of the curve's next point.
    ///
    /// - Parameter percentile: from 0, below 100.
    /// - Returns: `nil` if the curve does not reach that far.
    package func value(at percentile: Double) -> Double? {
        curve.first { $0.percentile >= percentile && $0.percentile < 100 }
            .map { Double($0.nanoseconds) }
    }
}
