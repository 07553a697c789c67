import EchoSockets
import Glibc
import Logging

/// Standard error: where lines of the log go, and the last one of a command that fails.
///
/// Any thread.
enum StandardError {
    private struct State {
        var format = LineFormat(.text)
        var writer: LineWriter?
    }

    private static let state = Locked(State())

    /// How long the end of the program waits for whoever reads it, at most.
    static let patience = Duration.seconds(1)

    /// How lines look from now on.
    static var format: LineFormat {
        get { state.withLock { $0.format } }
        set { state.withLock { $0.format = newValue } }
    }

    /// Has lines written by a thread of their own from now on, so that nobody waits for their reader.
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

    /// Writes a line, without its end.
    static func write(_ line: String) {
        if let writer = state.withLock({ $0.writer }) {
            writer.write(line)
        } else {
            Output.write(line + "\n", to: STDERR_FILENO, within: patience)
        }
    }

    /// Waits until everything is written, ``patience`` at most.
    static func flush() {
        state.withLock { $0.writer }?.flush(within: patience)
    }
}
