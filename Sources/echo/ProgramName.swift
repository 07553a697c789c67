/// The name that the program has been started by.
///
/// Installed it is `echo-server`, because every shell has an `echo` of its own. Usage, messages and
/// the scripts for completion are to name what the user typed.
enum ProgramName {
    /// The name of this process: `echo-server` if it was started so, otherwise `echo`.
    static let current = name(startedAs: ProcessArguments.all.first ?? "")

    /// The name of a program that was started as a path.
    static func name(startedAs path: String) -> String {
        path.split(separator: "/").last == "echo-server" ? "echo-server" : "echo"
    }
}
