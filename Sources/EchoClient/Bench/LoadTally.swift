package import EchoSockets
package import Histogram

/// What the clients of one round have counted.
package struct LoadTally: Sendable {
    /// When measuring began.
    package var begin = MonotonicTime(nanoseconds: 0)
    /// When it ended.
    package var end = MonotonicTime(nanoseconds: 0)
    /// Messages that came back whole.
    package var echoes = 0
    /// Datagrams that did not come back in time.
    package var lost = 0
    /// Bytes that were not those expected.
    package var wrongBytes = 0
    /// Connections that were refused, or ended by the server.
    package var failedConnections = 0
    /// Messages whose moment came, but that could not be sent any more.
    package var missedSends = 0
    /// Whether no echo has come although one was waited for, not even some time after the end.
    package var isUnanswered = false
    /// The first wrong byte, or why the first connection failed.
    package var firstFailure: String?
    /// From sending a message, or connecting for it, to its whole echo, in nanoseconds.
    package var service = LoadTally.histogram
    /// From the moment for which a message was scheduled to its whole echo, in nanoseconds.
    package var response = LoadTally.histogram
    /// How much later than scheduled the clients came to send, though nothing was in the way.
    package var lateness = LoadTally.histogram
    /// Processor time of the clients.
    package var clientTime = Duration.zero

    /// A round of which nothing has been counted.
    package init() {}

    /// Values of up to an hour to within a thousandth; one that had to grow would be slow.
    package static var histogram: Histogram<UInt64> {
        Histogram(
            lowestDiscernibleValue: 1,
            highestTrackableValue: 3_600_000_000_000,
            numberOfSignificantValueDigits: .three
        )
    }

    /// How long was measured.
    package var duration: Duration { end - begin }
}

extension Duration {
    /// Seconds, to within a nanosecond.
    var fractionalSeconds: Double { Double(nanoseconds) / 1e9 }
}
