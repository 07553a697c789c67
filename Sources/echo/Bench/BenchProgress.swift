import EchoClient
import EchoSockets
import Glibc

/// How far a measurement is: a line on the terminal, and nothing where there is none.
final class BenchProgress {
    private let isShown = isTerminal(STDERR_FILENO)
    private let start = MonotonicTime.now

    /// Shows which round begins, and how long the rest takes at this pace.
    func show(_ progress: BenchRunner.Progress) {
        guard isShown else { return }
        var rest = ""
        if progress.done > 0 {
            let passed = MonotonicTime.now - start
            let left = passed / progress.done * (progress.total - progress.done)
            rest = ", \(left.components.seconds + 1) s left"
        }
        let place = "round \(progress.done + 1) of \(progress.total)\(rest)"
        write("\r\u{1B}[K\(place): \(progress.server), \(progress.load.label)")
    }

    /// Removes the line.
    func clear() {
        if isShown { write("\r\u{1B}[K") }
    }

    // Lines that are longer than the terminal is wide would pile up.
    private func write(_ text: String) {
        let limit = Screen.current.columns + 4
        _ = writeAll(Array(String(text.prefix(limit)).utf8), to: STDERR_FILENO)
    }
}
