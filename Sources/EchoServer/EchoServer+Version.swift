extension EchoServer {
    /// The version of the package, as semver.org defines it.
    ///
    /// The only place where it is written, but for the changelog of the Debian package, which
    /// `Scripts/check-sources` compares with it.
    public static let version = "0.1.0"
}
