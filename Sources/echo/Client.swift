import ArgumentParser

/// Talks to an echo server.
struct Client: ParsableCommand {
    func run() throws {}
}
