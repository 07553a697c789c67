import EchoSockets
import Glibc

/// A file for a report: created, or emptied, before there is anything to report.
///
/// So a failure to create it is known early, and no earlier report is mistaken for the new one.
final class ReportFile {
    private let path: String
    private let descriptor: Descriptor

    /// Creates or empties the file.
    ///
    /// - Throws: `CommandError` that names it.
    init(_ path: String) throws(CommandError) {
        self.path = path
        do throws(SystemError) {
            let number = try systemCall("open") {
                unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
            }
            descriptor = Descriptor(adopting: number)
        } catch {
            throw Self.failure(path, error.errno)
        }
    }

    /// Writes the report.
    ///
    /// - Throws: `CommandError` that names the file.
    func write(_ text: String) throws(CommandError) {
        if let error = writeAll(Array(text.utf8), to: descriptor.rawValue).error {
            throw Self.failure(path, error)
        }
    }

    private static func failure(_ path: String, _ error: Errno) -> CommandError {
        CommandError(exitCode: Exit.system, message: "cannot write \(path): \(error)")
    }
}
