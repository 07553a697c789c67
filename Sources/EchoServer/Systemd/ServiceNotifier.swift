import EchoSockets
import Glibc
package import Logging

/// Notifies the service manager with datagrams to `$NOTIFY_SOCKET`, sd_notify(3).
///
/// A separate thread sends them, so that a manager that does not read its socket delays no other
/// thread. Any thread.
package final class ServiceNotifier: Sendable {
    /// The messages.
    package enum Message: Hashable, Sendable {
        /// It has started: every endpoint accepts (`READY=1`).
        case ready
        /// It is shutting down (`STOPPING=1`).
        case stopping
        /// One line for people (`STATUS=`).
        case status(String)
        /// The error that ended it, as in errno(3) (`ERRNO=`).
        case errno(Int32)
        /// It is alive (`WATCHDOG=1`).
        case watchdog
        /// Starting or stopping is still in progress; the next message comes within this time
        /// (`EXTEND_TIMEOUT_USEC=`).
        case extendTimeout(Duration)

        var line: String {
            switch self {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            case .status(let text): "STATUS=\(text.escapedForLog)"
            case .errno(let number): "ERRNO=\(number)"
            case .watchdog: "WATCHDOG=1"
            case .extendTimeout(let span): "EXTEND_TIMEOUT_USEC=\(span.nanoseconds / 1000)"
            }
        }
    }

    /// The manager kills a service that sends no ``Message/watchdog`` for this long; `nil` if it
    /// does not watch this one (`WATCHDOG_USEC`, `WATCHDOG_PID`).
    package let watchdogTimeout: Duration?
    private let queue: DeliveryQueue<String>
    // A day's worth of status lines.
    private static let queueLimit = 1024

    /// Reads the manager's variables, `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, and
    /// removes them from the environment.
    ///
    /// Other threads must not be reading the environment.
    ///
    /// - Parameter logger: receives variables that cannot be used, and lost messages.
    /// - Returns: `nil` if there is no manager to notify.
    package static func takeFromEnvironment(logger: Logger) -> ServiceNotifier? {
        let socket = takeEnvironmentVariable("NOTIFY_SOCKET")
        let timeout = takeEnvironmentVariable("WATCHDOG_USEC")
        let process = takeEnvironmentVariable("WATCHDOG_PID")
        guard let socket, !socket.isEmpty else { return nil }
        guard let address = address(socket) else {
            logger.warning(
                "cannot notify the service manager",
                metadata: ["NOTIFY_SOCKET": "\(socket.escapedForLog)"]
            )
            return nil
        }
        do throws(SystemError) {
            return try ServiceNotifier(
                address,
                watchdogTimeout: watchdogTimeout(timeout, process: process, logger),
                logger
            )
        } catch {
            logger.warning("cannot notify the service manager", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private init(
        _ address: SocketAddress,
        watchdogTimeout: Duration?,
        _ logger: Logger
    ) throws(SystemError) {
        self.watchdogTimeout = watchdogTimeout
        let sender = try DatagramSender()
        let losses = Losses(address, logger)
        queue = DeliveryQueue(count: Self.queueLimit, size: .max) { batch in
            for text in batch.elements {
                do throws(SystemError) {
                    try sender.send(text, to: address)
                } catch {
                    losses.add(1, error)
                }
            }
            if batch.dropped > 0 { losses.add(batch.dropped) }
        }
        try queue.start(name: "notifier")
    }

    // A path, or an abstract name that begins with @.
    private static func address(_ text: String) -> SocketAddress? {
        guard text.utf8.count > 1, text.utf8.count <= SocketAddress.maximumUnixPathLength else {
            return nil
        }
        if text.hasPrefix("/") { return .unix(text) }
        return text.hasPrefix("@") ? .unix("\0" + text.dropFirst()) : nil
    }

    // A century, in microseconds: anything longer means no limit, or is nonsense.
    private static let longest: Int64 = 3_155_760_000_000_000

    private static func watchdogTimeout(
        _ text: String?,
        process: String?,
        _ logger: Logger
    ) -> Duration? {
        guard let text else { return nil }
        guard let microseconds = Int64(text), (1...longest).contains(microseconds) else {
            logger.warning(
                "cannot ping the service manager's watchdog",
                metadata: ["WATCHDOG_USEC": "\(text.escapedForLog)"]
            )
            return nil
        }
        if let process, process != "\(getpid())" { return nil }
        return .microseconds(microseconds)
    }

    /// Sends messages, all in one datagram.
    ///
    /// Returns at once. A message that cannot be delivered is lost; losses are logged, with their
    /// count, at most once in ten seconds.
    package func send(_ messages: Message...) {
        queue.add(messages.map(\.line).joined(separator: "\n"), size: 0)
    }

    /// Waits until the manager's socket has taken all messages, or for a time.
    package func flush(within limit: Duration) {
        queue.flush(within: limit)
    }
}

/// Logs that messages were lost.
private final class Losses: Sendable {
    private let address: SocketAddress
    private let logger: Logger
    private let occasions = Occasions()

    init(_ address: SocketAddress, _ logger: Logger) {
        self.address = address
        self.logger = logger
    }

    func add(_ count: Int, _ error: SystemError? = nil) {
        guard let count = occasions.count(count) else { return }
        var metadata: Logger.Metadata = [
            "socket": "\(address.description.escapedForLog)",
            "count": .stringConvertible(count),
        ]
        if let error { metadata["error"] = "\(error)" }
        logger.warning("messages to the service manager were lost", metadata: metadata)
    }
}
