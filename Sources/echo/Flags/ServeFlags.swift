import ArgumentParser

/// All flags of `serve`: those that ``Settings`` completes.
struct ServeFlags: ParsableArguments {
    @OptionGroup var options: ServeOptions
    @OptionGroup var logging: LogOptions
    @OptionGroup var monitoring: MetricsOptions
    @OptionGroup var settings: ConfigurationOptions
}
