import CEchoArguments

/// The arguments that the program was started with.
///
/// `CommandLine.arguments` reads them from `/proc`, which may not be mounted (in a container or below
/// another root folder), and has none then: `echo models` would serve.
enum ProcessArguments {
    /// All of them, the program's name first; bytes that are no UTF-8 are replaced.
    static let all: [String] = (0..<cechoarguments_count()).map { index in
        unsafe cechoarguments_value(index).map { unsafe String(cString: $0) } ?? ""
    }
}
