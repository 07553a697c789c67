import ArgumentParser
import Logging

/// The flags about logging.
struct LogOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Minimum severity of log messages: \(Parse.list(Logger.Level.self)). "
                + "(default: info)",
            valueName: "level"
        ),
        completion: Parse.completion(Logger.Level.self),
        transform: Parse.choice
    )
    var logLevel: Logger.Level?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Format of log lines on standard error: text or json. (default: text)",
            valueName: "format"
        ),
        completion: Parse.completion(LineFormat.Form.self),
        transform: Parse.choice
    )
    var logFormat: LineFormat.Form?

    /// Makes the logger that the flags describe; every later line on standard error has its format.
    func logger() -> Logger {
        let format = LineFormat(logFormat ?? StandardError.format.form)
        StandardError.format = format
        var logger = Logger(label: "echo") { _ in LineLogHandler(format: format) }
        logger.logLevel = logLevel ?? .info
        return logger
    }
}
