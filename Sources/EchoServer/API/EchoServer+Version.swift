extension EchoServer {
    /// The version of the package, as semver.org defines it.
    ///
    /// Both changelogs repeat it, which `Scripts/check-sources` and a test compare with this.
    public static let version = "0.1.0"
}
