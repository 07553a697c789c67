import ArgumentParser

/// The command and its subcommands.
struct Echo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "An echo server (RFC 862) with every classic server I/O model.",
        discussion: """
            Without a subcommand it serves: whatever a client sends comes back unchanged.

            EXAMPLES
              echo                                  serve on localhost, port 5150
              echo --backend libevent               with the libevent backend's fastest model
              echo --model event-select --listen 0.0.0.0:7000
              echo --listen unix:/run/echo.sock --idle-timeout 5m --max-connections 1000
              echo models                           what there is to choose from
              echo client 127.0.0.1:5150            talk to an echo server
              echo client 127.0.0.1:5150 < file     send a file and print what comes back
              echo check 127.0.0.1:7                check that a server echoes as it must

            ENDPOINTS are written PORT (of localhost), HOST:PORT, [IPv6]:PORT, *:PORT (every \
            address), unix:PATH or unix:@NAME (abstract). Port 0 lets the kernel choose.

            SIGNALS: SIGTERM and SIGINT drain and exit with 0; a second one ends at once.

            EXIT CODES: 0 success; 1 a check failed; 64 wrong usage; 69 cannot serve or connect there; 71 the \
            operating system failed; 77 permission denied.
            """,
        subcommands: [Serve.self, Client.self, Check.self, Models.self],
        defaultSubcommand: Serve.self
    )
}
