import ArgumentParser

/// The command as shells are to complete it: with the flags of `serve` also where `serve` is left
/// out, as nearly everybody leaves it out.
///
/// The argument parser's generator knows of default subcommands, but not that their flags may stand
/// without their names.
struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: ProgramName.current,
        version: Echo.configuration.version,
        subcommands: Echo.configuration.subcommands
    )

    @OptionGroup var options: ServeOptions
    @OptionGroup var logging: LogOptions
    @OptionGroup var monitoring: MetricsOptions
    @OptionGroup var settings: ConfigurationOptions

    /// The script for a shell.
    ///
    /// - Parameter request: what parsing `--generate-completion-script` ended with.
    /// - Returns: the script.
    static func script(for request: any Error) -> String {
        fullMessage(for: request)
    }

    /// Whether a script was asked for.
    static var isRequested: Bool {
        CommandLine.arguments.contains { $0.hasPrefix("--generate-completion-script") }
    }
}
