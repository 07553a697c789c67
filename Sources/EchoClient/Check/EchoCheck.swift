/// Checks whether an echo server loses, changes or mixes up bytes.
///
/// Works with any RFC 862 server over TCP or UDP, and over Unix sockets. It assumes no more than
/// the RFC says: whatever is sent comes back, until the client ends the connection. Over UDP the
/// checks are others (``checks(for:)``), and what does not come back is sent again: the network may
/// lose it.
///
/// ```swift
/// var check = EchoCheck(try EchoEndpoint(parsing: "localhost:7"))
/// check.deadline = .seconds(5)
/// let report = try await check.run()
/// for result in report.results where result.outcome == .failed {
///     print("\(result.check): \(result.evidence)")
/// }
/// ```
///
/// Checks run one after another on connections of their own, to the first address of the endpoint
/// that answers. The bytes sent encode the run, the check, the connection and the offset, so that a
/// misplaced byte identifies where it came from.
public struct EchoCheck: Hashable, Sendable {
    /// The bytes that a large transfer may have.
    public static let sizes = 64 * 1024...1 << 30
    /// The numbers of connections that may be open at once.
    public static let connectionCounts = 2...1000
    /// The numbers that a run may have.
    public static let runNumbers = 0...511

    /// The server.
    public var endpoint: EchoEndpoint
    /// What to check, in this order; at least one.
    ///
    /// All of ``checks(for:)`` unless it is set; others do not apply.
    public var checks: [Check]
    /// The time limit of each check, which fails when it is reached; more than zero, and at most
    /// 876000h.
    public var deadline = Duration.seconds(10)
    /// Bytes of a large transfer over a connection; one of ``sizes``.
    public var size = 16 << 20
    /// Connections for the checks that open many; over UDP, clients, and datagrams of a burst.
    ///
    /// One of ``connectionCounts``.
    public var connections = 200
    /// The time between two checks; at most 876000h.
    public var pause = Duration.zero
    /// The time limit for the first connection, before the checks; more than zero, and at most
    /// 876000h.
    ///
    /// Looking up a name does not count. Over UDP it is the time to find an address that answers;
    /// one that is silent for a second, and the others as well, is checked all the same.
    public var connectTimeout = Duration.seconds(10)
    /// Names the run in the bytes it sends, and in evidence about bytes of another run; one of
    /// ``runNumbers``, random unless it is set.
    public var runNumber = Int.random(in: runNumbers)
    /// Whether Unix sockets have urgent data; see ``kernelHasUnixUrgentData``.
    package var hasUnixUrgentData = Self.kernelHasUnixUrgentData

    /// All checks of a server.
    public init(_ endpoint: EchoEndpoint) {
        self.endpoint = endpoint
        checks = Self.checks(for: endpoint)
    }

    /// The checks that suit a server that is not one's own.
    ///
    /// They open at most 4 connections at a time, transfer less than 1 MB, and pause for a second
    /// between checks. Those are left out that open many connections, reset them, or send urgent
    /// data, which firewalls distrust, or many datagrams at once.
    ///
    /// - Parameter endpoint: the server.
    /// - Returns: a value of which everything may still be changed.
    public static func gentle(_ endpoint: EchoEndpoint) -> EchoCheck {
        var check = EchoCheck(endpoint)
        check.checks.removeAll { !gentleChecks.contains($0) }
        check.size = sizes.lowerBound
        check.connections = 4
        check.pause = .seconds(1)
        return check
    }

    /// The checks of ``gentle(_:)``.
    package static let gentleChecks = Check.allCases.filter {
        ![.resets, .urgent, .churn, .udpBurst].contains($0)
    }

    /// Why the server was not checked, or not to the end.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The kinds of failure.
        @nonexhaustive
        public enum Code: Hashable, Sendable {
            /// A value is not what it is documented to be.
            case invalidConfiguration
            /// The host name has no address.
            case unknownHost
            /// No server is there: the port is closed, no route leads there, or there is no such
            /// socket.
            case refused
            /// This user may not connect there.
            case permissionDenied
            /// No connection was established in time.
            case timedOut
            /// The system lacks a thread, a descriptor, memory or a local port.
            case system
        }

        /// The kind.
        public let code: Code
        /// One line that says what is wrong, and names the endpoint unless a value is wrong.
        public let description: String
    }

    func validate() throws(Failure) {
        let longest = Duration.seconds(876_000 * 3600)
        let complaint: String? =
            if checks.isEmpty {
                "there is no check"
            } else if deadline <= .zero || deadline > longest {
                "the deadline is not more than zero, and at most 876000h"
            } else if !Self.sizes.contains(size) {
                "the size is not from 64KiB to 1GiB"
            } else if !Self.connectionCounts.contains(connections) {
                "the number of connections is not from 2 to 1000"
            } else if pause < .zero || pause > longest {
                "the pause is not from zero to 876000h"
            } else if connectTimeout <= .zero || connectTimeout > longest {
                "the connect timeout is not more than zero, and at most 876000h"
            } else if !Self.runNumbers.contains(runNumber) {
                "the run number is not from 0 to 511"
            } else {
                nil
            }
        if let complaint { throw Failure(code: .invalidConfiguration, description: complaint) }
    }
}
