import ArgumentParser

/// The flags for the sources of settings.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Read settings from a file of KEY = VALUE lines, where keys are flag names. "
                + "(default: none)",
            valueName: "file"
        ),
        completion: .file(),
        transform: Parse.path
    )
    var config: String?

    @Flag(
        name: .long,
        help: "Print every setting and its origin, then exit."
    )
    var checkConfig = false
}
