/// The name by which the program was started.
///
/// The installed program is `echo-server`, because `echo` is a shell builtin. Usage, messages and
/// completion scripts name what the user typed.
enum ProgramName {
    /// The name of this process: `echo-server` if it was started so, otherwise `echo`.
    static let current = name(startedAs: ProcessArguments.all.first ?? "")

    /// The name of a program that was started as a path.
    static func name(startedAs path: String) -> String {
        path.split(separator: "/").last == "echo-server" ? "echo-server" : "echo"
    }
}
