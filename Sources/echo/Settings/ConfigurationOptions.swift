import ArgumentParser

/// The flags about where settings come from.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Read settings from a file: lines KEY = VALUE, whose keys are the names of flags. "
                + "(default: none)",
            valueName: "file"
        ),
        completion: .file(),
        transform: Parse.path
    )
    var config: String?

    @Flag(
        name: .long,
        help: "Print every setting and where it comes from, and exit."
    )
    var checkConfig = false
}
