/// What came of a load.
///
/// Every connection is counted in exactly one of ``echoed``, ``refused``, ``turnedAway``,
/// ``reset``, ``endedEarly``, ``resetByUs`` and ``unfinished`` in the end.
package struct EchoLoadReport: Hashable, Sendable {
    /// Connections of the load.
    package var connections = 0
    /// Connections that were established.
    package var opened = 0
    /// Connections whose bytes all came back, and after a half-close the server's end as well.
    package var echoed = 0
    /// Connections that could not be established, whatever the cause.
    package var refused = 0
    /// Connections that the server ended, or reset, before it echoed anything.
    package var turnedAway = 0
    /// Connections that broke after something was echoed, or that never read.
    package var reset = 0
    /// Connections that the server ended before all bytes had come back.
    package var endedEarly = 0
    /// Connections that the load itself reset, as it was told to.
    package var resetByUs = 0
    /// Connections that were under way at the deadline, or when the load was stopped.
    package var unfinished = 0
    /// Of the echoed ones, those that stay open (`staysOpen`).
    package var held = 0
    /// Of the echoed ones that stayed open, those that the server ended.
    package var endedByServer = 0
    /// Bytes that were sent.
    package var bytesSent = 0
    /// Bytes that came back and were right.
    package var bytesVerified = 0
    /// Whether the deadline came before the end.
    package var timedOut = false
    /// The first wrong byte: where it was, and where it came from.
    package var firstMismatch: String?
    /// Why the first connection that could not be established could not.
    package var firstRefusal: String?

    /// Whether every connection got every byte back.
    package var isComplete: Bool {
        connections > 0 && echoed == connections && firstMismatch == nil && !timedOut
    }

    /// Connections that have not come to their end.
    package var pending: Int {
        connections - echoed - refused - turnedAway - reset - endedEarly - resetByUs
    }
}

extension EchoLoadReport: CustomStringConvertible {
    /// What is not zero, for example `100 connections: 100 opened, 100 echoed, 6400 bytes sent …`.
    package var description: String {
        let counts = [
            ("opened", opened), ("echoed", echoed), ("refused", refused),
            ("turned away", turnedAway), ("reset", reset), ("ended early", endedEarly),
            ("reset by us", resetByUs), ("unfinished", unfinished), ("held", held),
            ("ended by the server", endedByServer), ("bytes sent", bytesSent),
            ("bytes verified", bytesVerified),
        ]
        var text = "\(connections) connections: "
        text += counts.filter { $0.1 != 0 }.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
        if timedOut { text += "; the deadline came first" }
        if let firstMismatch { text += "; \(firstMismatch)" }
        if let firstRefusal { text += "; first refusal: \(firstRefusal)" }
        return text
    }
}
