import EchoSockets
import Logging

/// The server's log messages and their names.
///
/// Levels: `info` for what an operator acts on, `debug` for single connections. What a peer or the
/// host can cause over and over is logged at `info` or above once an episode, or at most once in
/// ten seconds with its count. No call waits for the log's handler.
struct ServerLog: Sendable {
    /// The names of metadata, in one place.
    enum Key {
        static let peer = "peer"
        static let user = "user"
        static let process = "process"
        static let endpoint = "endpoint"
        static let error = "error"
        static let cause = "cause"
        static let received = "bytes-received"
        static let sent = "bytes-sent"
        static let failures = "failures"
        static let seconds = "seconds"
        static let duration = "duration-seconds"
        static let active = "active"
        static let reason = "reason"
        static let changes = "changes"
    }

    let outlet: LogOutlet
    /// Whether the beginning and the end of each connection are logged.
    let logsConnections: Bool
    private let refusals = Occasions()
    private let addressChanges = Occasions()

    /// Logs to a logger.
    init(_ logger: Logger) {
        outlet = LogOutlet(logger)
        logsConnections = logger.logLevel <= .debug
    }

    /// Prepares for logging; called before the server starts.
    ///
    /// - Throws: `EAGAIN` when the system allows no thread for it.
    func open() throws(SystemError) {
        try outlet.open()
    }

    /// A connection is going to be served.
    ///
    /// - Parameters:
    ///   - peer: the peer.
    ///   - local: the address it connected to.
    func opened(_ peer: Peer, to local: SocketAddress) {
        outlet.log(.debug, "connection opened", Self.fields(peer, [Key.endpoint: Self.text(local)]))
    }

    /// A connection has ended.
    func closed(_ peer: Peer, since beginning: Beginning, _ state: EchoState) {
        guard logsConnections else { return }
        outlet.log(
            .debug,
            "connection closed",
            Self.fields(
                peer,
                [
                    Key.cause: "\(state.closeCause.rawValue)",
                    Key.duration: .number(beginning.age(at: .coarse).hundredths),
                    Key.received: .number(state.received),
                    Key.sent: .number(state.sent),
                ]
            )
        )
    }

    /// A connection was turned away.
    func rejected(_ peer: Peer, _ reason: EchoServer.RejectionReason) {
        guard logsConnections else { return }
        outlet.log(
            .debug,
            "connection rejected",
            Self.fields(peer, [Key.reason: "\(reason.rawValue)"])
        )
    }

    private static func fields(_ peer: Peer, _ others: Logger.Metadata) -> Logger.Metadata {
        var fields = others
        fields[Key.peer] = text(peer.address)
        if let user = peer.userID { fields[Key.user] = .number(user) }
        if let process = peer.processID { fields[Key.process] = .number(process) }
        return fields
    }

    static func text(_ address: SocketAddress) -> Logger.MetadataValue {
        "\(address.description.escapedForLog)"
    }

    /// An admitted connection cannot be served because something is lacking.
    ///
    /// Logged at most once in ten seconds; others are counted.
    func refused(_ peer: SocketAddress, _ error: Errno) {
        guard let count = refusals.count() else { return }
        outlet.log(
            .warning,
            "cannot serve a connection; the established ones are served",
            [Key.peer: Self.text(peer), Key.failures: .number(count), Key.error: "\(error)"]
        )
    }

    /// Accepting has begun to fail because something is lacking.
    ///
    /// Logged once an episode.
    func exhausted(_ endpoint: SocketAddress, _ errno: Errno) {
        outlet.log(
            .warning,
            "cannot accept connections for now; the established ones are served",
            [Key.endpoint: Self.text(endpoint), Key.error: "\(errno)"]
        )
    }

    /// Accepting works again.
    func recovered(_ endpoint: SocketAddress, after span: Duration, failures: Int) {
        outlet.log(
            .notice,
            "accepting connections again",
            [
                Key.endpoint: Self.text(endpoint),
                Key.seconds: .number(span.tenths),
                Key.failures: .number(failures),
            ]
        )
    }

    /// A listening socket has become unusable.
    ///
    /// Logged once for each.
    func listenerFailed(_ endpoint: SocketAddress, _ errno: Errno) {
        outlet.log(
            .error,
            "listening socket failed; no further connections are accepted on it",
            [Key.endpoint: Self.text(endpoint), Key.error: "\(errno)"]
        )
    }

    /// The host's addresses have changed while the server listens on all of them.
    ///
    /// Logged at most once in ten seconds; others are counted.
    func addressesChanged() {
        if let count = addressChanges.count() { tellAddressChanges(count) }
    }

    private func tellAddressChanges(_ count: Int) {
        outlet.log(
            .info,
            "the addresses of this host have changed",
            count > 1 ? [Key.changes: .number(count)] : [:]
        )
    }

    /// The server accepts connections, or answers datagrams.
    ///
    /// - Parameters:
    ///   - endpoint: where.
    ///   - name: the service manager's name for the socket, if it is inherited.
    ///   - model: the I/O model.
    func started(_ endpoint: EchoServer.Endpoint, _ name: String?, model: EchoServer.IOModel) {
        var metadata: Logger.Metadata = [
            Key.endpoint: "\(endpoint.description.escapedForLog)", "model": "\(model.rawValue)",
            "version": "\(EchoServer.version)",
        ]
        if let name { metadata["socket"] = "\(name.escapedForLog)" }
        outlet.log(.info, "listening", metadata)
    }

    /// A listening socket does not support some options.
    func unavailable(_ options: [String], on endpoint: EchoServer.Endpoint) {
        guard !options.isEmpty else { return }
        outlet.log(
            .notice,
            "a listening socket does not know some options",
            [
                Key.endpoint: "\(endpoint.description.escapedForLog)",
                "options": "\(options.joined(separator: " "))",
            ]
        )
    }

    /// Addresses of an endpoint that this machine does not have, while it has others.
    ///
    /// For `localhost` and `*`, a missing IPv4 or IPv6 is how the machine is set up; a chosen name
    /// that leads elsewhere is probably a mistake.
    func missing(_ addresses: [BindError], of endpoint: Endpoint) {
        for missing in addresses {
            outlet.log(
                endpoint.needsLookUp ? .warning : .info,
                "cannot listen on one of the addresses of an endpoint",
                [
                    "listen": "\(endpoint)",
                    Key.endpoint: Self.text(missing.address),
                    Key.error: "\(missing.error.errno)",
                ]
            )
        }
    }

    /// Shutdown has begun, but connections are accepted as before.
    func leaving(_ active: Int, delay: Duration) {
        outlet.log(
            .info,
            "shutting down; connections are accepted for a while",
            [Key.active: .number(active), "delay-seconds": .number(delay.tenths)]
        )
    }

    /// Draining has begun.
    func draining(_ active: Int, timeout: Duration) {
        outlet.log(
            .info,
            "draining",
            [Key.active: .number(active), "timeout-seconds": .number(timeout.tenths)]
        )
    }

    /// Everything is closed.
    ///
    /// Also logs counts not yet logged. Waits at most a second for a slow handler.
    func stopped(_ statistics: EchoServer.Statistics) {
        if let count = addressChanges.rest() { tellAddressChanges(count) }
        if let count = refusals.rest() {
            outlet.log(
                .warning,
                "further connections could not be served",
                [Key.failures: .number(count)]
            )
        }
        outlet.log(
            .info,
            "stopped",
            [
                "accepted": .number(statistics.accepted),
                "rejected": .number(statistics.rejectedTotal),
                "aborted": .number(statistics.closed[.aborted] ?? 0),
                Key.received: .number(statistics.bytesReceived),
                Key.sent: .number(statistics.bytesSent),
                "accept-failures": .number(statistics.acceptFailures),
            ]
        )
        flush()
    }

    /// Waits until the log's handler has received every line, at most a second.
    func flush() {
        outlet.flush(within: .seconds(1))
    }
}

/// A number with decimals, as text and JSON have it.
package struct DecimalNumber: CustomStringConvertible, Sendable {
    /// Its digits.
    package let description: String
}

extension Logger.MetadataValue {
    fileprivate static func number(_ value: some BinaryInteger & Sendable) -> Self {
        .stringConvertible(value)
    }

    fileprivate static func number(_ value: DecimalNumber) -> Self { .stringConvertible(value) }
}

extension Duration {
    /// Seconds with one decimal.
    fileprivate var tenths: DecimalNumber {
        // Rounded: what is left of a second is still one.
        let tenths = (min(nanoseconds, .max - 50_000_000) + 50_000_000) / 100_000_000
        return DecimalNumber(description: "\(tenths / 10).\(tenths % 10)")
    }

    /// Seconds with two decimals.
    fileprivate var hundredths: DecimalNumber {
        let (seconds, attoseconds) = components
        let fraction = attoseconds / 10_000_000_000_000_000
        let digits = "\(seconds).\(fraction < 10 ? "0" : "")\(fraction)"
        return DecimalNumber(description: digits)
    }
}
