import EchoServer
import Logging

/// Writes each message as one line to standard error: text for people, JSON for collectors.
///
/// Never waits for the reader.
struct LineLogHandler: PromptLogHandler {
    let format: LineFormat
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(format: LineFormat) {
        self.format = format
    }

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        StandardError.write(format.line(event.level, event.message.description, fields))
    }
}
