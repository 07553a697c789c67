import ArgumentParser
import Logging

/// The flags about logging.
struct LogOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Least serious messages that are logged: \(Parse.list(Logger.Level.self)).",
            valueName: "level"
        ),
        completion: Parse.completion(Logger.Level.self),
        transform: Parse.choice
    )
    var logLevel: Logger.Level = .info

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Form of log lines on standard error: text or json.",
            valueName: "format"
        ),
        completion: Parse.completion(LineLogHandler.Format.self),
        transform: Parse.choice
    )
    var logFormat: LineLogHandler.Format = .text

    /// A logger as the flags describe it.
    func logger() -> Logger {
        var logger = Logger(label: "echo") { [logFormat] _ in LineLogHandler(format: logFormat) }
        logger.logLevel = logLevel
        return logger
    }
}
