package import EchoSockets
import Glibc

/// An echo client in a pipeline: what it reads goes to the server, what comes back is written.
///
/// It reads back while it sends, so that it cannot come to a standstill with the server however
/// much the two have in flight, and holds no more than two buffers of 64 KiB. The standard streams
/// are shared with other processes, so they are never made non-blocking: readiness is awaited with
/// poll(2), and no more is written than a ready pipe takes without blocking.
package struct Filter: Sendable {
    /// How it ended.
    package enum End: Hashable, Sendable {
        /// All bytes came back, and then the server's end.
        case complete
        /// The server ended the connection while so many bytes were owed, or before the input's
        /// end.
        case endedEarly(missing: Int)
        /// The server sent more bytes than it was sent.
        case surplus(Int)
        /// Nothing moved for the time limit while the server owed so many bytes, or only its end.
        case timedOut(missing: Int)
        /// The connection broke, usually because the server reset it.
        case connectionLost(Errno)
        /// Nobody reads the output any more (`EPIPE`).
        case outputClosed
        /// Writing the output failed otherwise.
        case outputFailed(Errno)
        /// Reading the input failed.
        case inputFailed(Errno)
    }

    /// What was moved, and how it ended.
    package struct Result: Hashable, Sendable {
        /// Bytes given to the server.
        package var sent: Int
        /// Bytes that came back.
        package var received: Int
        /// How it ended.
        package var end: End

        /// A result; nothing moved and nothing wrong by default.
        package init(sent: Int = 0, received: Int = 0, end: End = .complete) {
            self.sent = sent
            self.received = received
            self.end = end
        }

        /// Whether it is this side's input or output that failed, not the server or the connection.
        package var isOwnFailure: Bool {
            switch end {
            case .outputClosed, .outputFailed, .inputFailed: true
            default: false
            }
        }

        /// One line that says what went wrong; `nil` if nothing did.
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
    ///   - input: what is read; the standard input by default.
    ///   - output: what is written; the standard output by default.
    ///   - timeout: how long the server may owe something without taking or sending a byte; `nil`
    ///     for ever. Time in which the output is full does not count.
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
