import ArgumentParser

/// Talks to an echo server.
struct Client: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send lines, or standard input, and print what comes back."
    )

    func run() throws {}
}
