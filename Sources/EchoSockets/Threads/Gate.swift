import CEchoLinux
import Glibc

/// Blocks a thread until another one releases it.
///
/// Needs no descriptor. The corresponding C type is `sem_t`.
@safe
package final class Gate: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    /// A closed gate.
    package init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe semaphore.initialize(to: sem_t())
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    /// Releases one waiting thread, or the next that waits.
    package func open() {
        unsafe sem_post(semaphore)
    }

    /// Waits until it is opened.
    package func wait() {
        while unsafe sem_wait(semaphore) != 0 {}
    }

    /// Waits until it is opened, or until a moment.
    ///
    /// The corresponding C function is `sem_clockwait`.
    ///
    /// - Returns: whether it was opened.
    @discardableResult
    package func wait(until moment: MonotonicTime) -> Bool {
        let (seconds, rest) = moment.nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(rest))
        repeat {
            if unsafe sem_clockwait(semaphore, CLOCK_MONOTONIC, &time) == 0 { return true }
        } while errno == EINTR
        return false
    }
}
