import EchoServer
import Glibc
import Logging

/// The journal of systemd at the other end of standard error.
enum Journal {
    /// Whether standard error goes to the journal: `$JOURNAL_STREAM` names its device and inode,
    /// systemd.exec(5).
    ///
    /// The variable is also set where only standard output goes there.
    static let isConnected: Bool = {
        var status = stat()
        guard let stream = unsafe getenv("JOURNAL_STREAM"),
            unsafe fstat(STDERR_FILENO, &status) == 0
        else { return false }
        return unsafe String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }()

    /// The prefix of a line of that level: the priority of syslog(3), in the form of sd-daemon(3).
    static func prefix(_ level: Logger.Level) -> String {
        let priority =
            switch level {
            case .trace, .debug: 7
            case .info: 6
            case .notice: 5
            case .warning: 4
            case .error: 3
            case .critical: 2
            }
        return "<\(priority)>"
    }
}
