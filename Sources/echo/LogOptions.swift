import ArgumentParser
import Logging

/// The flags about logging.
struct LogOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Least serious messages that are logged: \(Parse.list(Logger.Level.self)). "
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
            "Form of log lines on standard error: text or json. (default: text)",
            valueName: "format"
        ),
        completion: Parse.completion(LineLogHandler.Format.self),
        transform: Parse.choice
    )
    var logFormat: LineLogHandler.Format?

    /// A logger as the flags describe it.
    func logger() -> Logger {
        let format = logFormat ?? .text
        var logger = Logger(label: "echo") { _ in LineLogHandler(format: format) }
        logger.logLevel = logLevel ?? .info
        return logger
    }
}
