import ArgumentParser
import EchoClient
import EchoServer
import EchoSockets
import Glibc

/// Talks to an echo server.
struct Client: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: Subcommand.client.rawValue,
        abstract: "Send lines, or standard input, to an echo server and print what comes back.",
        usage: "\(ProgramName.current) client <endpoint> [<options>]",
        discussion: """
            At a terminal it prompts for lines, sends each one and prints what comes back, with \
            non-printing characters escaped; ^D ends the session.

            Otherwise it is a filter: it sends standard input, ends the stream, and writes \
            everything that comes back to standard output. It reads while it writes, so it cannot \
            deadlock with the server, however much it sends.

            EXIT CODES: 0 everything came back; 64 wrong usage; 69 no connection, or the server \
            ended it early or did not answer in time; 71 an operating system error, or the output \
            is closed or full; 77 permission denied.
            """
    )

    @Argument(
        help: ArgumentHelp(
            "The server: PORT, HOST:PORT, [IPv6]:PORT, unix:PATH or unix:@NAME.",
            valueName: "endpoint"
        ),
        transform: Parse.clientEndpoint
    )
    var endpoint: Endpoint

    @Option(
        name: .long,
        help: ArgumentHelp("Time limit for connecting. (default: 10s)", valueName: "duration"),
        transform: Parse.positiveDuration
    )
    var connectTimeout: Duration = .seconds(10)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How long the server may stall while it owes an answer. (default: 30s)",
            valueName: "duration"
        ),
        completion: .list(["never"]),
        transform: Parse.either("never", or: Parse.positiveDuration)
    )
    var timeout: Switchable<Duration> = .on(.seconds(30))

    func run() throws {
        let connection: EchoConnection
        do throws(ConnectError) {
            connection = try EchoConnection.open(endpoint, timeout: connectTimeout)
        } catch {
            throw CommandError(exitCode: error.exitCode, message: "\(error)")
        }
        let (failure, isOwn) = converse(connection)
        if let failure {
            throw CommandError(
                exitCode: isOwn ? Exit.system : Exit.unavailable,
                message: isOwn ? failure : "\(endpoint): \(failure)"
            )
        }
    }

    private func converse(
        _ connection: borrowing EchoConnection
    ) -> (failure: String?, isOwn: Bool) {
        if isTerminal(STDIN_FILENO) {
            let end = Prompt(timeout: timeout.value).run(connection)
            return (end.failure, end.isOwnFailure)
        }
        let result = Filter(timeout: timeout.value).run(connection)
        return (result.failure, result.isOwnFailure)
    }
}

extension ConnectError {
    /// The exit code for this error.
    var exitCode: Int32 {
        switch reason {
        case .permissionDenied: Exit.permission
        case .other: Exit.system
        default: Exit.unavailable
        }
    }
}
