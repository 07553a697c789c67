import ArgumentParser
import EchoServer
import EchoSockets
import Foundation
import Testing

@testable import echo

/// Every flag of every subcommand with values that it cannot have: one line that names the flag,
/// says what is wrong, and repeats nothing.
@Suite(.timeLimit(.minutes(5)))
struct BadValueTests {
    /// The program's description of itself, as far as it is needed here.
    private struct Help: Decodable {
        struct Command: Decodable {
            let commandName: String
            let subcommands: [Command]?
            let arguments: [Argument]?
        }

        struct Argument: Decodable {
            struct Name: Decodable { let name: String }

            let kind: String
            let names: [Name]?
        }

        let command: Command
    }

    struct Option: Sendable, CustomTestStringConvertible {
        let subcommand: String
        let flag: String
        var testDescription: String { "\(subcommand) \(flag)" }
    }

    private static let commands: [Help.Command] = {
        let help = try? JSONDecoder().decode(Help.self, from: Data(Echo._dumpHelp().utf8))
        return help?.command.subcommands ?? []
    }()

    static let options: [Option] = commands.flatMap { command in
        (command.arguments ?? []).filter { $0.kind == "option" }.map { argument in
            Option(
                subcommand: command.commandName,
                flag: "--" + (argument.names?.map(\.name).max { $0.count < $1.count } ?? "")
            )
        }
    }

    private static let values = [
        "", "-1", "-5s", "99999999999999999999", "99999999999999999999s", "1e9", "\u{663}",
        "\u{1B}[2J", "a\u{202E}b", "\u{1F600}", String(repeating: "x", count: 5000),
    ]

    /// Parses, and completes from no file and no environment, as `echo` does.
    static func complaint(_ arguments: [String]) -> (code: CInt, message: String)? {
        do {
            let joined = Arguments.withPlainValues(arguments)
            try Subcommand.checkHelp(joined)
            let command = try Echo.parseAsRoot(joined)
            if var serve = command as? Serve {
                if let first = serve.extra.first {
                    throw ValidationError(Subcommand.complaint(aboutExtra: first))
                }
                _ = try Settings(completing: &serve.flags, environment: [:])
                _ = try serve.flags.options.configuration()
            }
            return nil
        } catch {
            return (Exit.code(for: error, of: Echo.self), Exit.message(for: error, of: Echo.self))
        }
    }

    @Test func `the flags are those of the program`() {
        #expect(Self.options.count > 20)
        #expect(Self.options.contains { $0.subcommand == "check" && $0.flag == "--only" })
    }

    @Test(arguments: options)
    func `a value that cannot be is refused in one line that names the flag, 64`(_ option: Option) {
        // Any other text may be the name of a file.
        let namesFile = ["--config", "--junit", "--html", "--baseline"].contains(option.flag)
        let operands = ["client", "check", "ping"].contains(option.subcommand) ? ["7"] : []
        for value in Self.values where !namesFile || value.isEmpty {
            let separate = value.first == "-" || value.isEmpty ? [[option.flag, value]] : []
            for form in separate + [[option.flag + "=" + value]] {
                guard let complaint = Self.complaint([option.subcommand] + form + operands) else {
                    Issue.record("\(form) is taken")
                    continue
                }
                let (code, message) = complaint
                #expect(code == 64, "\(form)")
                #expect(message.contains("'\(option.flag) <"), "\(form): \(message)")
                let isPlain = message.unicodeScalars.allSatisfy { !$0.misleadsInLog }
                #expect(isPlain, "\(form): \(message)")
                if value.count > 2 {
                    let shown = value.escapedForLog
                    #expect(message.ranges(of: shown).count == 1, "\(form): \(message)")
                }
                #expect(!message.hasPrefix("Missing value") || value.isEmpty, "\(form): \(message)")
            }
        }
        let missing = Self.complaint([option.subcommand, option.flag])?.message ?? ""
        #expect(missing.hasPrefix("Missing value for '\(option.flag) <"), "\(missing)")
    }

    @Test(arguments: [
        (
            ["--workers", "-1"],
            "'-1' is invalid for '--workers <n>': it must be a number from 1 to"
        ),
        (["--idle-timeout", "5"], ": the unit is missing: write 5s, or 5ms; or write never"),
        (["--keepalive", "5"], ": the unit is missing: write 5s, or 5ms; or write never"),
        (["--drain-timeout", "0.5"], ": the unit is missing: write 0.5s, or 0.5ms"),
        (["--pending-limit", "64K"], ": the units are B, KiB, MiB and GiB: write 64KiB"),
        (["--pending-limit", "64kb"], ": the units are B, KiB, MiB and GiB: write 64KiB"),
        (["--pending-limit", "5"], ": it must be from 64 to 1GiB; a number alone counts bytes"),
        (["--pending-limit", "2GiB"], ": it must be from 64 to 1GiB"),
        (["--listen", "127.0.0.1"], ": the port is missing: write 127.0.0.1:PORT"),
        (["--metrics", "/run/m"], ": a Unix socket is written unix:/run/m; or write none"),
        (["check", "localhost"], ": the port is missing: write localhost:PORT"),
        (["client", ":5"], ": the host is missing: write HOST:5, or 5"),
        (["ping", "udp::5"], ": the host is missing: write HOST:5, or 5"),
        (["--listen", "unix:/tmp/a\nb"], ": the path contains a line break"),
        (["check", "--list", "--json"], "--list excludes --json and --junit"),
        (["check", "--list", "--junit", "/dev/null"], "--list excludes --json and --junit"),
        (["bench", "--server-cpus", "65535"], "--server-cpus 65535: the processors of this "),
        (["bench", "--client-cpus", "0,65535"], "--client-cpus 65535: the processors of this "),
        (
            ["check", "127.0.0.1:0"],
            "'127.0.0.1:0' is invalid for '<endpoint>': no server listens on port 0"
        ),
        (
            ["ping", "*:7"],
            "'*:7' is invalid for '<endpoint>': * stands for all addresses: name one of"
        ),
        (["client", "http://[::1]:7/"], ": an endpoint has no scheme: write [::1]:7"),
        (["client", "--connect-timeout", "5", "7"], ": the unit is missing: write 5s, or 5ms"),
        (["--listen=", "7"], "The value '' is invalid for '--listen <endpoint>': it is empty: "),
        (["check", "--json=", "7"], "The value '' is invalid for '<endpoint>': it is empty: "),
        (["--check-config", "-1"], "'--check-config' does not take any value, but '-1' was"),
        (["client", "--", "-1"], "'-1' is invalid for '<endpoint>': the port is not a number"),
        (["--model", "slect"], " or completion-port: did you mean select?"),
        (["--log-format", "JSON"], ": it must be text or json: did you mean json?"),
        (["serv"], "there is no subcommand 'serv': did you mean 'serve'?"),
        (["clinet", "127.0.0.1:7"], "there is no subcommand 'clinet': did you mean 'client'?"),
        (["chekc", "--only", "x", "7"], "there is no subcommand 'chekc': did you mean 'check'?"),
        (["--log-level", "info", "model"], "no subcommand 'model': did you mean 'models'?"),
        (["help", "clinet"], "there is no subcommand 'clinet': did you mean 'client'?"),
        (
            ["help", "frobnicate"],
            "there is no subcommand 'frobnicate': the subcommands are serve, client, check"
        ),
        (["serve", "check", "7"], "argument 'check': put the subcommand first"),
        (["--workers", "2", "models"], "argument 'models': put the subcommand first"),
        (["5150"], "unexpected argument '5150': to listen there, write --listen 5150"),
        (["serve", "frobnicate"], "unexpected argument 'frobnicate': the subcommands are serve,"),
        (["--lisen", "7"], "Unknown option '--lisen'. Did you mean '--listen'?"),
    ])
    func `what to type instead is said`(_ arguments: [String], _ expected: String) throws {
        let complaint = try #require(Self.complaint(arguments), "\(arguments)")
        #expect(complaint.code == 64)
        #expect(complaint.message.contains(expected), "\(complaint.message)")
    }

    @Test func `what is right is not refused`() {
        for arguments in [
            [], ["serve"], ["help", "client"], ["client", "7"], ["models"], ["check", "--list"],
            ["--workers", "auto", "--idle-timeout", "never", "--metrics", "none"],
        ] {
            #expect(Self.complaint(arguments) == nil, "\(arguments)")
        }
    }
}
