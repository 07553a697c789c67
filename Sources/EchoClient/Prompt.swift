package import EchoSockets
import Glibc

/// An echo client at a terminal: asks for a line, sends it, and shows what comes back.
///
///     Send: hello
///     Received [5 bytes]: 'hello'
///
/// A line is sent as it was typed, without its end; an empty one is not sent. What comes back is
/// shown, also if it is less than was sent, more, or not asked for: with ``escapedText(_:)``, so that
/// no server can play tricks on the terminal.
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
        /// Nothing came for the time limit while the server owed so many bytes.
        case timedOut(missing: Int)
        /// Reading the input or writing the output failed.
        case terminalFailed(Errno)

        /// Whether it is the terminal that failed, not the server or the connection.
        package var isOwnFailure: Bool {
            guard case .terminalFailed = self else { return false }
            return true
        }

        /// One line that says what went wrong; `nil` if nothing did.
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
    ///   - input: where lines come from; the standard input by default.
    ///   - output: where the prompt and the answers go; the standard output by default.
    ///   - timeout: how long the server may owe something without taking or sending a byte; `nil`
    ///     for ever.
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
