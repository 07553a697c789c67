package import EchoSockets
import Glibc

/// An echo client at a terminal: prompts for a line, sends it, and prints what comes back.
///
///     Send: hello
///     Received [5 bytes]: 'hello'
///
/// A line is sent as it was typed, without its end; an empty one is not sent. It prints whatever
/// comes back, even if it is less or more than was sent, through ``escapedText(_:)``, so that no
/// server can manipulate the terminal.
package struct Prompt: Sendable {
    /// How it ended.
    package enum End: Hashable, Sendable {
        /// The input ended (^D).
        case inputEnded
        /// The server ended the connection.
        case serverEnded
        /// The connection broke, usually because the server reset it.
        case connectionLost(Errno)
        /// The server sent bytes that it had not been sent.
        case surplus
        /// Nothing came for the time limit while the server owed a number of bytes.
        case timedOut(missing: Int)
        /// Reading the input or writing the output failed.
        case terminalFailed(Errno)

        /// Whether the terminal failed, not the server or the connection.
        package var isOwnFailure: Bool {
            guard case .terminalFailed = self else { return false }
            return true
        }

        /// One line that says what went wrong; `nil` on success.
        package var failure: String? {
            switch self {
            case .inputEnded: nil
            case .serverEnded: "the server ended the connection"
            case .connectionLost(let error): "the connection was lost: \(error)"
            case .surplus: "the server sent more bytes than it was sent"
            case .timedOut(let missing):
                "the server did not answer in time; \(missing) bytes did not come back"
            case .terminalFailed(let error): "the terminal failed: \(error)"
            }
        }
    }

    private let input: CInt
    private let output: CInt
    private let timeout: Duration?

    /// A client that talks to a person over two descriptors, which stay open.
    ///
    /// - Parameters:
    ///   - input: where lines come from; standard input by default.
    ///   - output: where the prompt and the answers go; standard output by default.
    ///   - timeout: how long the server may stall while it owes something; `nil` means for ever.
    package init(
        input: CInt = STDIN_FILENO,
        output: CInt = STDOUT_FILENO,
        timeout: Duration? = nil
    ) {
        self.input = input
        self.output = output
        self.timeout = timeout
    }

    /// Runs until the input or the connection ends.
    ///
    /// Blocks; any thread.
    package func run(_ connection: borrowing EchoConnection) -> End {
        var run = PromptRun(input, output, timeout)
        return withoutBrokenPipeSignal { run.converse(connection.socket) }
    }
}
