import CEchoArguments

/// The arguments that the program was started with.
///
/// `CommandLine.arguments` reads them from `/proc`, which may not be mounted (in a container or a
/// chroot). Then it is empty, and `echo models` would serve.
enum ProcessArguments {
    /// All arguments, the program's name first; invalid UTF-8 is replaced.
    static let all: [String] = (0..<cechoarguments_count()).map { index in
        unsafe cechoarguments_value(index).map { unsafe String(cString: $0) } ?? ""
    }
}
