import EchoClient
import EchoSockets
import Glibc

/// The signals of a run: the first SIGINT or SIGTERM ends it with its summary, SIGQUIT shows a
/// summary of what has been measured so far.
enum PingSignals {
    /// Starts to take the signals that ``Signals/hold()`` keeps pending, on a separate thread.
    ///
    /// - Throws: `EAGAIN` when the system allows no further thread.
    static func take(for control: PingControl) throws(SystemError) {
        try Thread(name: "signals") {
            while true {
                var set = Signals.held
                var number: CInt = 0
                guard unsafe sigwait(&set, &number) == 0 else { continue }
                switch number {
                case SIGQUIT: control.askForReport()
                case SIGINT, SIGTERM:
                    // Whoever sends a second one does not want to wait.
                    if control.stop.isStopped { Signals.end(by: number) }
                    control.stop.stop()
                case SIGHUP: Signals.end(by: number)
                default: break
                }
            }
        }.detach()
    }
}
