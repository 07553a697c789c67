import EchoSockets
import Glibc

/// Writes without buffering.
enum Output {
    /// Writes a text to standard output, as the command's only result.
    ///
    /// - Parameter text: the text, with the ends of its lines.
    /// - Throws: `CommandError` if standard output is closed or full, or has no reader.
    static func print(_ text: String) throws(CommandError) {
        guard let error = writeAll(Array(text.utf8), to: STDOUT_FILENO).error else { return }
        throw CommandError(exitCode: Exit.system, message: "cannot write the output: \(error)")
    }
}
