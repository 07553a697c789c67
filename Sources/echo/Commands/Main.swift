import ArgumentParser
import Glibc

/// Runs the command, and turns every failure into one line and an exit code.
@main
enum Main {
    static func main() {
        Signals.hold()
        _ = ProcessStatus.startTime
        openStandardStreams()
        DescriptorLimit.raise()
        StandardError.format = LineFormat(EarlyLogForm.find())
        // For the argument parser, which cannot write help in very few columns. No other thread may
        // be reading the environment yet.
        unsafe setenv("COLUMNS", "\(Screen.current.columns)", 1)
        do {
            let arguments = Array(ProcessArguments.all.dropFirst())
            try Subcommand.checkHelp(arguments)
            var command = try Echo.parseAsRoot(Arguments.withPlainValues(arguments))
            // These handle their signals themselves.
            if !(command is Serve || command is Ping) { Signals.endCommand() }
            try command.run()
        } catch {
            end(with: error)
        }
        StandardError.flush()
    }

    // Prints help, or one line that says what was wrong.
    private static func end(with error: any Error) -> Never {
        // The reader of what follows may take its time.
        Signals.endCommand()
        var (error, code) = (error, Exit.code(for: error, of: Echo.self))
        if code == 0 {
            let text =
                Completions.isRequested
                ? Completions.script(for: error) : Layout.plain(Echo.fullMessage(for: error))
            do throws(CommandError) {
                try Output.print(text + "\n")
            } catch let failure {
                (error, code) = (failure, failure.exitCode)
            }
        }
        if code != 0, !(error is ExitCode) {
            let message = Exit.message(for: error, of: Echo.self)
            StandardError.write(StandardError.format.failure(message))
        }
        StandardError.flush()
        exit(code)
    }

    // Otherwise the number of a closed stream would go to the next socket or event queue, and be
    // written to. Using the substitute fails with EBADF, as using the closed one would.
    private static func openStandardStreams() {
        for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) < 0 {
            // Gets the lowest free number, which is this one.
            _ = unsafe open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
