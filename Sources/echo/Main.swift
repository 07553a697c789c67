import ArgumentParser
import EchoServer
import Glibc

/// Runs the command and turns every failure into one line and an exit code.
@main
enum Main {
    static func main() async {
        // Nothing that a peer or a reader of our output does may end the process.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try Echo.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            Exit.end(with: error)
        }
    }
}
