import ArgumentParser
import EchoServer

/// Prepares the arguments for the argument parser.
enum Arguments {
    /// Marks as values what the argument parser would not recognise as such.
    ///
    /// It takes a negative number for a flag, so `--workers -1` becomes `--workers=-1`. For
    /// `--workers=` it would use the next argument as the value, so that becomes two arguments, the
    /// second of them empty. Both are then refused as bad values.
    ///
    /// - Parameter arguments: those of the command line, without the program's name.
    /// - Returns: the same, in the same order.
    static func withPlainValues(_ arguments: [String]) -> [String] {
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        var plain: [String] = []
        for argument in arguments[..<end] {
            if isNegative(argument), let flag = plain.last, isFlag(flag), !flag.contains("=") {
                plain[plain.count - 1] = flag + "=" + argument
            } else if isFlag(argument), argument.firstIndex(of: "=") == argument.indices.last {
                plain += [String(argument.dropLast()), ""]
            } else {
                plain.append(argument)
            }
        }
        return plain + arguments[end...]
    }

    private static func isFlag(_ argument: String) -> Bool {
        argument.hasPrefix("--") && argument.count > 2
    }

    private static func isNegative(_ argument: String) -> Bool {
        argument.first == "-"
            && argument.dropFirst().first.map { "0123456789.".contains($0) } == true
    }

    /// The subcommands, as they are typed.
    static var subcommands: [String] {
        Echo.configuration.subcommands.map { $0._commandName }
    }

    /// The complaint about a mistyped subcommand, if the text is close to one.
    static func complaint(aboutSubcommand text: String) -> String? {
        guard let name = Spelling.nearest(to: text, in: subcommands) else { return nil }
        return "there is no subcommand '\(text)': did you mean '\(name)'?"
    }

    /// The complaint about an argument of `serve` that is not a flag.
    static func complaint(aboutExtra text: String) -> String {
        if subcommands.contains(text) {
            return "unexpected argument '\(text)': put the subcommand first"
        }
        if (try? EchoServer.Endpoint(parsing: text)) != nil {
            return "unexpected argument '\(text)': to listen there, write --listen \(text)"
        }
        return "unexpected argument '\(text)': the subcommands are "
            + subcommands.joined(separator: ", ")
    }

    /// Refuses `help NAME` for an unknown subcommand.
    ///
    /// - Parameter arguments: those of the command line, without the program's name.
    /// - Throws: `CommandError` for the exit code of wrong usage.
    static func checkHelp(_ arguments: [String]) throws {
        guard arguments.count > 1, arguments[0] == "help" else { return }
        let name = arguments[1]
        guard !name.hasPrefix("-"), !(subcommands + ["help"]).contains(name) else { return }
        throw CommandError(
            exitCode: Exit.usage,
            message: complaint(aboutSubcommand: name) ?? "there is no subcommand '\(name)': "
                + "the subcommands are \(subcommands.joined(separator: ", "))"
        )
    }
}
