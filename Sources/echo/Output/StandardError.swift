import EchoSockets
import Glibc
import Logging

/// Standard error: where log lines go, and the last line of a failed command.
///
/// Any thread.
enum StandardError {
    private struct State {
        var format = LineFormat(.text)
        var writer: LineWriter?
    }

    private static let state = Locked(State())

    /// How long the program waits for the reader at exit.
    static let patience = Duration.seconds(1)

    /// The format of lines from now on.
    static var format: LineFormat {
        get { state.withLock { $0.format } }
        set { state.withLock { $0.format = newValue } }
    }

    /// Lets a separate thread write lines from now on, so that no other thread waits for the
    /// reader.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    static func writeOnThread() throws(SystemError) {
        let writer = try LineWriter(STDERR_FILENO, name: "log") { count in
            format.line(
                .warning,
                "log lines were lost: standard error did not take them",
                ["count": .stringConvertible(count)]
            )
        }
        state.withLock { $0.writer = writer }
    }

    /// Writes a line, given without its newline.
    static func write(_ line: String) {
        if let writer = state.withLock({ $0.writer }) {
            writer.write(line)
        } else {
            _ = writeAll(Array((line + "\n").utf8), to: STDERR_FILENO, until: .now + patience)
        }
    }

    /// Waits until everything is written, ``patience`` at most.
    static func flush() {
        state.withLock { $0.writer }?.flush(within: patience)
    }
}
