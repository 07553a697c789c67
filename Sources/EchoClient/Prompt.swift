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
    package func run(_ connection: borrowing EchoConnection) -> PromptEnd {
        var run = PromptRun(input, output, timeout)
        return withoutBrokenPipeSignal { run.converse(connection.socket) }
    }
}
