import Logging
import Sockets

/// What a server says, and under which names.
///
/// Levels: `info` for what an operator acts on, `debug` for single connections.
struct ServerLog: Sendable {
    /// The names of metadata, in one place.
    enum Key {
        static let peer = "peer"
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
    }

    private let logger: Logger
    /// Whether the end of each connection is told.
    let logsConnections: Bool
    private let refusals = Occasions()

    /// Says things to a logger.
    init(_ logger: Logger) {
        self.logger = logger
        logsConnections = logger.logLevel <= .debug
    }

    /// A connection has ended.
    func closed(_ peer: Peer, since beginning: Beginning, _ state: EchoState) {
        guard logsConnections else { return }
        logger.debug(
            "connection closed",
            metadata: [
                Key.peer: "\(peer.address.description.escapedForLog)",
                Key.cause: "\(EchoServer.CloseReason(state.closeCause).rawValue)",
                Key.duration: "\(beginning.age(at: .coarse).hundredths)",
                Key.received: "\(state.received)",
                Key.sent: "\(state.sent)",
            ]
        )
    }

    /// A connection was turned away.
    func rejected(_ peer: SocketAddress, _ reason: EchoServer.RejectionReason) {
        guard logsConnections else { return }
        logger.debug(
            "connection rejected",
            metadata: [
                Key.peer: "\(peer.description.escapedForLog)",
                Key.reason: "\(reason.rawValue)",
            ]
        )
    }

    /// An admitted connection cannot be served, for lack of something.
    ///
    /// At most once in ten seconds: the others are counted.
    func refused(_ peer: SocketAddress, _ error: Errno?) {
        guard let count = refusals.count() else { return }
        var metadata: Logger.Metadata = [Key.peer: "\(peer)", Key.failures: "\(count)"]
        if let error { metadata[Key.error] = "\(error)" }
        logger.warning(
            "cannot serve a connection; the established ones are served",
            metadata: metadata
        )
    }

    /// Accepting has begun to fail for lack of something.
    ///
    /// Once an episode.
    func exhausted(_ endpoint: SocketAddress, _ errno: Errno) {
        logger.warning(
            "cannot accept connections for now; the established ones are served",
            metadata: [Key.endpoint: "\(endpoint)", Key.error: "\(errno)"]
        )
    }

    /// Accepting works again.
    func recovered(_ endpoint: SocketAddress, after span: Duration, failures: Int) {
        logger.notice(
            "accepting connections again",
            metadata: [
                Key.endpoint: "\(endpoint)",
                Key.seconds: "\(span.tenths)",
                Key.failures: "\(failures)",
            ]
        )
    }

    /// A listening socket cannot be used any more.
    func listenerFailed(_ endpoint: SocketAddress, _ errno: Errno) {
        logger.error(
            "listening socket failed; no further connections are accepted on it",
            metadata: [Key.endpoint: "\(endpoint)", Key.error: "\(errno)"]
        )
    }

    /// A serving thread could not be set up.
    func workerFailed(_ error: any Error) {
        logger.error("cannot start a worker", metadata: [Key.error: "\(error)"])
    }

    /// The addresses of the host have changed while listening on all of them.
    func addressesChanged() {
        logger.info("the addresses of this host have changed")
    }

    /// The server accepts connections.
    func started(_ socket: ListeningSocket, model: EchoServer.IOModel) {
        var metadata: Logger.Metadata = [
            Key.endpoint: "\(socket.address)", "model": "\(model.rawValue)",
            "version": "\(EchoServer.version)",
        ]
        if let name = socket.name { metadata["socket"] = "\(name.escapedForLog)" }
        logger.info("listening", metadata: metadata)
    }

    /// Addresses of an endpoint that this machine does not have, while it has others.
    ///
    /// That `localhost` and `*` lack IPv4 or IPv6 is how the machine is set up; a name that somebody
    /// chose leading elsewhere is likely a mistake.
    func missing(_ addresses: [BindError], of endpoint: Endpoint) {
        for missing in addresses {
            logger.log(
                level: endpoint.needsLookUp ? .warning : .info,
                "cannot listen on one of the addresses of an endpoint",
                metadata: [
                    "listen": "\(endpoint)",
                    Key.endpoint: "\(missing.address)",
                    Key.error: "\(missing.error.errno)",
                ]
            )
        }
    }

    /// Shutdown has begun, but connections are accepted like before.
    func leaving(_ active: Int, delay: Duration) {
        logger.info(
            "shutting down; connections are accepted for a while",
            metadata: [Key.active: "\(active)", "delay-seconds": "\(delay.tenths)"]
        )
    }

    /// Draining has begun.
    func draining(_ active: Int, timeout: Duration) {
        logger.info(
            "draining",
            metadata: [Key.active: "\(active)", "timeout-seconds": "\(timeout.tenths)"]
        )
    }

    /// All is closed.
    func stopped(_ statistics: EchoServer.Statistics) {
        logger.info(
            "stopped",
            metadata: [
                "accepted": "\(statistics.accepted)",
                "rejected": "\(statistics.rejectedTotal)",
                "aborted": "\(statistics.closed[.aborted] ?? 0)",
                Key.received: "\(statistics.bytesReceived)",
                Key.sent: "\(statistics.bytesSent)",
                "accept-failures": "\(statistics.acceptFailures)",
            ]
        )
    }
}

/// Counts what happens, and says now and then how often it has happened since it last said so.
private final class Occasions: Sendable {
    private static let interval: Duration = .seconds(10)

    private struct State {
        var count = 0
        var next = MonotonicTime(nanoseconds: .min)
    }

    private let state = Locked(State())

    /// Counts once more.
    ///
    /// - Returns: the count since the last time it was returned; `nil` if that was just now.
    func count() -> Int? {
        state.withLock { state in
            state.count += 1
            let now = MonotonicTime.now
            guard now >= state.next else { return nil }
            defer { state.count = 0 }
            state.next = now + Self.interval
            return state.count
        }
    }
}

extension Duration {
    /// Seconds with one decimal.
    fileprivate var tenths: String {
        let tenths = (components.seconds * 10) + components.attoseconds / 100_000_000_000_000_000
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Seconds with two decimals.
    fileprivate var hundredths: String {
        let (seconds, attoseconds) = components
        let fraction = attoseconds / 10_000_000_000_000_000
        return "\(seconds).\(fraction < 10 ? "0" : "")\(fraction)"
    }
}
