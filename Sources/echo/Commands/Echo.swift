import ArgumentParser
import EchoServer

/// The command and its subcommands.
struct Echo: ParsableCommand {
    private static let name = ProgramName.current

    private static let examples = Layout.unbroken(
        """
          \(name)                                serve port 5150 of localhost
          \(name) --backend libevent             use libevent's fastest model
          \(name) --model event-select --listen 0.0.0.0:7000
          \(name) --listen unix:/run/echo.sock --idle-timeout 5m
          \(name) models                         list the I/O models
          \(name) client 127.0.0.1:5150          talk to an echo server
          \(name) client 127.0.0.1:5150 < file   send a file, print what comes back
          \(name) check 127.0.0.1:7              check that a server echoes
          \(name) ping 127.0.0.1:7               measure its round trips
          \(name) bench --model all              compare the I/O models
        """
    )

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "An echo server (RFC 862) with every classic server I/O model.",
        usage: """
            \(name) [serve] [<options>]
            \(name) client|check <endpoint> [<options>]
            \(name) ping <endpoint> ... [<options>]
            \(name) bench [<options>]
            \(name) models
            """,
        discussion: """
            Without a subcommand it serves: whatever a client sends comes back unchanged.

            EXAMPLES
            \(examples)

            ENDPOINTS are written PORT (of localhost), HOST:PORT, [IPv6]:PORT, *:PORT (every \
            address), unix:PATH or unix:@NAME (abstract). Port 0 lets the kernel choose.

            SIGNALS: SIGTERM and SIGINT drain, and exit with 0; a second one, or SIGQUIT, ends the \
            server at once; others have no effect.

            EXIT CODES: 0 success; 1 a check or a probe failed, or a \
            wrong answer came; 64 wrong usage; 68 the \
            host to connect to has no address; 69 cannot serve or connect there; 70 a thread \
            hung during shutdown; 71 an operating system error, or the output is closed or full; \
            74 the connection was reset or broke; 75 no connection or no answer in time; 76 the \
            server ended the connection too early; 77 permission denied.
            """,
        version: "\(name) \(EchoServer.version)",
        subcommands: [
            Serve.self, Client.self, Check.self, Ping.self, Bench.self, Models.self,
        ],
        defaultSubcommand: Serve.self
    )
}
