import EchoServer

/// The subcommands, as they are typed, in the order of the help.
enum Subcommand: String, CaseIterable {
    case serve
    case client
    case check
    case ping
    case bench
    case models

    private static let names = allCases.map(\.rawValue)

    /// The complaint about a mistyped subcommand, if the text is close to one.
    static func complaint(about text: String) -> String? {
        guard let name = Spelling.nearest(to: text, in: names) else { return nil }
        return "there is no subcommand '\(text)': did you mean '\(name)'?"
    }

    /// The complaint about an argument of `serve` that is not a flag.
    static func complaint(aboutExtra text: String) -> String {
        if names.contains(text) {
            return "unexpected argument '\(text)': put the subcommand first"
        }
        if (try? EchoServer.Endpoint(parsing: text)) != nil {
            return "unexpected argument '\(text)': to listen there, write --listen \(text)"
        }
        return "unexpected argument '\(text)': the subcommands are "
            + names.joined(separator: ", ")
    }

    /// Refuses `help NAME` for an unknown subcommand.
    ///
    /// - Parameter arguments: those of the command line, without the program's name.
    /// - Throws: `CommandError` for the exit code of wrong usage.
    static func checkHelp(_ arguments: [String]) throws {
        guard arguments.count > 1, arguments[0] == "help" else { return }
        let name = arguments[1]
        guard !name.hasPrefix("-"), !(names + ["help"]).contains(name) else { return }
        throw CommandError(
            exitCode: Exit.usage,
            message: complaint(about: name) ?? "there is no subcommand '\(name)': "
                + "the subcommands are \(names.joined(separator: ", "))"
        )
    }
}
