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
            non-printing characters escaped; ^D ends the session. For line editing and a history, \
            run it as 'rlwrap \(ProgramName.current) client <endpoint>'.

            Otherwise it is a filter: it sends standard input, ends the stream, and writes \
            everything that comes back to standard output. It reads while it writes, so it cannot \
            deadlock with the server, however much it sends.

            --verify compares what comes back with what was sent, and reports the first \
            difference: its offset, the byte expected and the byte received. The filter writes \
            everything to standard output all the same, and keeps up to 16 MiB that have not come \
            back; it sends no more until some of it has.

            EXIT CODES: 0 everything came back; 1 other bytes came back, or more than were sent; \
            64 wrong usage; 68 the host name has no address; 69 no server there: refused, or \
            unreachable; 71 an operating system error, or the output is closed or full; 74 the \
            connection was reset or broke; 75 no connection or no answer in time; 76 the server \
            ended the connection too early; 77 permission denied.
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

    @Flag(
        name: .long,
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Compare what comes back with what was sent. (default: only at a terminal)"
        )
    )
    var verify: Bool?

    func run() throws {
        let connection: ConnectedSocket
        do throws(ConnectError) {
            connection = try ConnectedSocket.open(endpoint, timeout: connectTimeout)
        } catch {
            throw CommandError(error)
        }
        let (kind, failure) = converse(connection)
        if let kind, let failure {
            throw CommandError(
                exitCode: Exit.code(for: kind),
                message: kind == .local ? failure : "\(endpoint): \(failure)"
            )
        }
    }

    private func converse(
        _ connection: borrowing ConnectedSocket
    ) -> (kind: FailureKind?, failure: String?) {
        if isTerminal(STDIN_FILENO) {
            let result = Prompt(timeout: timeout.value, verifies: verify ?? true).run(connection)
            return (result.kind, result.failure)
        }
        let result = Filter(timeout: timeout.value, verifies: verify ?? false).run(connection)
        return (result.kind, result.failure)
    }
}
