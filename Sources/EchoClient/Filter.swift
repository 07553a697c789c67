import Glibc

/// An echo client in a pipeline: what it reads goes to the server, what comes back is written.
///
/// It reads while it sends, so it cannot deadlock with the server however much is in flight, and it
/// holds no more than two buffers of 64 KiB. The standard streams are shared with other processes,
/// so they are never made non-blocking: it waits for readiness with poll(2), and writes no more
/// than a ready pipe takes without blocking.
package struct Filter: Sendable {
    private let input: CInt
    private let output: CInt
    private let timeout: Duration?

    /// A filter between two descriptors, which stay open.
    ///
    /// - Parameters:
    ///   - input: where to read; standard input by default.
    ///   - output: where to write; standard output by default.
    ///   - timeout: how long the server may stall while it owes something; `nil` means for ever.
    ///     Time during which the output is full does not count.
    package init(
        input: CInt = STDIN_FILENO,
        output: CInt = STDOUT_FILENO,
        timeout: Duration? = nil
    ) {
        self.input = input
        self.output = output
        self.timeout = timeout
    }

    /// Runs to the end of the input and of the connection.
    ///
    /// Blocks; any thread.
    package func run(_ connection: borrowing EchoConnection) -> FilterResult {
        var run = FilterRun(input, output, timeout)
        return withoutBrokenPipeSignal { run.finish(connection.socket) }
    }
}
