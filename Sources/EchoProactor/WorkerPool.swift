import CEchoLinux
import Dispatch
package import EchoSockets
import Glibc

/// A fixed number of Dispatch workers that block.
///
/// Each has a serial queue of its own, for which Dispatch brings up a thread at once; blocking on a
/// global or concurrent queue would starve it (PF-20).
package final class WorkerPool: Sendable {
    private let group = DispatchGroup()

    /// Starts the workers.
    ///
    /// - Parameters:
    ///   - name: shown with the worker's number by `ps -L` and debuggers; cut to 15 bytes.
    ///   - count: how many, at least 1.
    ///   - body: what each does, given its number from 0.
    /// - Throws: `EAGAIN` when the system allows no further thread.
    package init(
        name: String,
        count: Int,
        _ body: @escaping @Sendable (Int) -> Void
    ) throws(SystemError) {
        // Dispatch would not say so: it tries again each second, and blocks its caller meanwhile.
        try Thread(name: name) {}.join()
        for number in 0..<max(1, count) {
            let label = "\(name)-\(number)"
            DispatchQueue(label: label).async(group: group) {
                Self.run(label) { body(number) }
            }
        }
    }

    /// Waits until every worker has returned.
    ///
    /// Not from a worker.
    package func wait() {
        group.wait()
    }

    // The thread is Dispatch's, and does something else afterwards.
    private static func run(_ name: String, _ body: () -> Void) {
        _ = unsafe pthread_setname_np(pthread_self(), String(name.prefix(15)))
        body()
        _ = unsafe pthread_setname_np(pthread_self(), "dispatch")
    }
}
