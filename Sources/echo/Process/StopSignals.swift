import EchoSockets
import Glibc

/// The signals of a command that finishes what it does when it is asked to stop: the first one is
/// a request, the second ends the process.
enum StopSignals {
    /// Takes the signals that ``Signals/hold()`` keeps pending, on a thread of its own.
    ///
    /// - Parameter body: called once, at the first of `SIGINT`, `SIGTERM` and `SIGHUP`.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    static func onFirst(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        try Thread(name: "signals") {
            var isFirst = true
            while true {
                var set = Signals.held
                var number: CInt = 0
                guard unsafe sigwait(&set, &number) == 0 else { continue }
                switch number {
                case SIGQUIT: Signals.end(by: SIGQUIT)
                case SIGINT, SIGTERM, SIGHUP:
                    if !isFirst { Signals.end(by: number) }
                    isFirst = false
                    body()
                default: continue
                }
            }
        }.detach()
    }
}
