import ArgumentParser
import EchoClient
import EchoServer
import EchoSockets
import Glibc

/// Talks to an echo server.
struct Client: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send lines, or standard input, to an echo server and print what comes back.",
        usage: "\(ProgramName.current) client <endpoint> [<options>]",
        discussion: """
            At a terminal it asks for a line, sends it and shows what comes back, with everything \
            escaped that a terminal would not show; ^D ends it.

            Otherwise it is a filter: it sends standard input, ends the stream, and writes all \
            that comes back to standard output. It reads while it writes, so that it cannot come \
            to a standstill with the server, however much is sent.

            EXIT CODES: 0 everything came back; 64 wrong usage; 69 no connection, or the server \
            ended it early or did not answer in time; 71 the operating system failed, or the \
            output is closed or full; 77 permission denied.
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
        help: ArgumentHelp("How long connecting may take. (default: 10s)", valueName: "duration"),
        transform: Parse.positiveDuration
    )
    var connectTimeout: Duration = .seconds(10)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "How long the server may owe an answer while nothing moves. (default: 30s)",
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
    /// The exit code that tells of it.
    var exitCode: Int32 {
        switch reason {
        case .permissionDenied: Exit.permission
        case .other: Exit.system
        default: Exit.unavailable
        }
    }
}
