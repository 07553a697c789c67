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

            Over UDP (udp:HOST:PORT) each line is a datagram: the next is sent when its answer has \
            come, or after --timeout, and at most 1,000 a second. A filter sends a line with its \
            end; at a terminal it goes without, and may be empty. Each line that does not come \
            back is reported on standard error; so are answers that come late, twice or from \
            another address. A line of more than 65507 bytes is not sent. A server that guards \
            against loops may drop lines that are the same as those just before.

            EXIT CODES: 0 everything came back; 1 other bytes came back, or more than were sent; \
            64 wrong usage, or a line too long for a datagram; 68 the host name has no address; 69 \
            no server there: refused, or unreachable; 71 an operating system error, or the output \
            is closed or full; 74 the connection was reset or broke; 75 no connection or no answer \
            in time; 76 the server ended the connection too early; 77 permission denied.
            """
    )

    @Argument(
        help: ArgumentHelp(
            "The server: PORT, HOST:PORT, [IPv6]:PORT, udp:HOST:PORT, unix:PATH or unix:@NAME.",
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
    var connectTimeout: Duration?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How long the server may stall while it owes an answer. (default: 30s; 2s over UDP)",
            valueName: "duration"
        ),
        completion: .list(["never"]),
        transform: Parse.either("never", or: Parse.positiveDuration)
    )
    var timeout: Switchable<Duration>?

    @Flag(
        name: .long,
        inversion: .prefixedNo,
        help: ArgumentHelp(
            "Compare what comes back with what was sent. (default: only at a terminal)"
        )
    )
    var verify: Bool?

    func validate() throws {
        if endpoint.isDatagram, connectTimeout != nil {
            throw ValidationError("--connect-timeout does not apply to UDP: see --timeout")
        }
    }

    func run() throws {
        if endpoint.isDatagram { return try exchangeLines() }
        let connection: ConnectedSocket
        do throws(ConnectError) {
            connection = try ConnectedSocket.open(endpoint, timeout: connectTimeout ?? .seconds(10))
        } catch {
            throw CommandError(error)
        }
        let (kind, failure) = converse(connection)
        if let kind, let failure { throw self.failure(kind, failure) }
    }

    private func failure(_ kind: FailureKind, _ text: String) -> CommandError {
        CommandError(
            exitCode: Exit.code(for: kind),
            message: kind == .local ? text : "\(endpoint): \(text)"
        )
    }

    private func converse(
        _ connection: borrowing ConnectedSocket
    ) -> (kind: FailureKind?, failure: String?) {
        let timeout = (timeout ?? .on(.seconds(30))).value
        if isTerminal(STDIN_FILENO) {
            let result = Prompt(timeout: timeout, verifies: verify ?? true).run(connection)
            return (result.kind, result.failure)
        }
        let result = Filter(timeout: timeout, verifies: verify ?? false).run(connection)
        return (result.kind, result.failure)
    }

    private func exchangeLines() throws {
        let isTerminal = isTerminal(STDIN_FILENO)
        let result: LineResult
        do throws(ConnectError) {
            let client = try LineClient(
                endpoint,
                isTerminal: isTerminal,
                timeout: (timeout ?? .on(.seconds(2))).value,
                verifies: verify ?? isTerminal
            ) { text in
                StandardError.write(StandardError.format.failure("\(endpoint): \(text)"))
            }
            result = client.run()
        } catch {
            throw CommandError(error)
        }
        guard let failure = result.failure else { return }
        if let kind = result.kind { throw self.failure(kind, failure) }
        throw CommandError(exitCode: Exit.usage, message: "\(endpoint): \(failure)")
    }
}
