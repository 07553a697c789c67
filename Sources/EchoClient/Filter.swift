package import EchoSockets
import Glibc

/// An echo client in a pipeline: what it reads goes to the server, what comes back is written.
///
/// It reads while it sends, so it cannot deadlock with the server however much is in flight, and it
/// holds no more than two buffers of 64 KiB. The standard streams are shared with other processes,
/// so they are never made non-blocking: it waits for readiness with poll(2), and writes no more
/// than a ready pipe takes without blocking.
package struct Filter: Sendable {
    /// How it ended.
    package enum End: Hashable, Sendable {
        /// All bytes came back, then the server's end of stream.
        case complete
        /// The server ended the connection while it owed a number of bytes, or before the input
        /// ended.
        case endedEarly(missing: Int)
        /// The server sent more bytes than it was sent.
        case surplus(Int)
        /// There was no progress for the time limit while the server owed a number of bytes, or its
        /// end of stream.
        case timedOut(missing: Int)
        /// The connection broke, usually because the server reset it.
        case connectionLost(Errno)
        /// No process reads the output any more (`EPIPE`).
        case outputClosed
        /// Writing the output failed for another reason.
        case outputFailed(Errno)
        /// Reading the input failed.
        case inputFailed(Errno)
    }

    /// What was moved, and how it ended.
    package struct Result: Hashable, Sendable {
        /// Bytes sent to the server.
        package var sent: Int
        /// Bytes that came back.
        package var received: Int
        /// How it ended.
        package var end: End

        /// A result; by default no bytes and no error.
        package init(sent: Int = 0, received: Int = 0, end: End = .complete) {
            self.sent = sent
            self.received = received
            self.end = end
        }

        /// Whether the input or output on this side failed, not the server or the connection.
        package var isOwnFailure: Bool {
            switch end {
            case .outputClosed, .outputFailed, .inputFailed: true
            default: false
            }
        }

        /// One line that says what went wrong; `nil` on success.
        package var failure: String? {
            switch end {
            case .complete: nil
            case .endedEarly(missing: 0):
                "the server ended the connection before the end of the input"
            case .endedEarly(let missing):
                "the server ended the connection; \(missing) bytes did not come back"
            case .timedOut(let missing) where missing > 0:
                "the server did not answer in time; \(missing) bytes did not come back"
            case .timedOut: "the server did not end the connection in time"
            case .surplus(let count): "the server sent \(count) bytes more than it was sent"
            case .connectionLost(let error): "the connection was lost: \(error)"
            case .outputClosed: "no one reads the output any more"
            case .outputFailed(let error): "cannot write the output: \(error)"
            case .inputFailed(let error): "cannot read the input: \(error)"
            }
        }
    }

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
    package func run(_ connection: borrowing EchoConnection) -> Result {
        var run = FilterRun(input, output, timeout)
        return withoutBrokenPipeSignal { run.finish(connection.socket) }
    }
}
