import EchoSockets
package import Logging

/// A log handler that never waits, so that any thread may call it.
///
/// Other handlers may write to a pipe without a reader.
package protocol PromptLogHandler: LogHandler {}

/// Passes lines to a logger, whose handler may be slow or stall, on a separate thread, so that no
/// serving thread waits for it.
///
/// Any thread.
final class LogOutlet: Sendable {
    private struct Line: Sendable {
        let level: Logger.Level
        let message: Logger.Message
        let metadata: Logger.Metadata
    }

    private let logger: Logger
    // `nil` if the handler needs none.
    private let queue: DeliveryQueue<Line>?
    // Enough for a burst of ending connections, and little memory if the handler stalls.
    private static let countLimit = 16_384
    private static let sizeLimit = 4 << 20
    // A line's approximate overhead beyond its text.
    private static let overhead = 256

    /// An outlet to a logger; silent and without a thread if the logger is.
    init(_ logger: Logger) {
        self.logger = logger
        switch logger.handler {
        case is any PromptLogHandler, is SwiftLogNoOpLogHandler:
            queue = nil
        default:
            queue = DeliveryQueue(count: Self.countLimit, size: Self.sizeLimit) { batch in
                for line in batch.elements {
                    logger.log(level: line.level, line.message, metadata: line.metadata)
                }
                guard batch.dropped > 0 else { return }
                logger.warning(
                    "log lines were dropped: the log handler was too slow",
                    metadata: ["count": .stringConvertible(batch.dropped)]
                )
            }
        }
    }

    /// Starts the thread, if one is needed and does not run yet.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    func open() throws(SystemError) {
        try queue?.start(name: "log")
    }

    /// Whether lines of this level are wanted.
    func wants(_ level: Logger.Level) -> Bool { logger.logLevel <= level }

    /// Logs a line, if lines of its level are wanted.
    func log(
        _ level: Logger.Level,
        _ message: @autoclosure () -> Logger.Message,
        _ metadata: @autoclosure () -> Logger.Metadata = [:]
    ) {
        guard wants(level) else { return }
        guard let queue else {
            return logger.log(level: level, message(), metadata: metadata())
        }
        let line = Line(level: level, message: message(), metadata: metadata())
        let length = line.metadata.values.reduce(line.message.description.utf8.count) {
            sum,
            value in
            guard case .string(let text) = value else { return sum }
            return sum + text.utf8.count
        }
        queue.add(line, size: length + Self.overhead)
    }

    /// Waits until the handler has received every line, or for a time.
    func flush(within limit: Duration) {
        queue?.flush(within: limit)
    }
}
