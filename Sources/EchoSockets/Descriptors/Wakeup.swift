import CEchoLinux
import Glibc

/// Lets any thread wake one that waits in `poll(2)`, `epoll_wait(2)` or an event loop: a descriptor
/// that becomes readable (`eventfd(2)`).
package final class Wakeup: Sendable {
    private let descriptor: Descriptor

    /// Opens the event descriptor, close-on-exec and non-blocking.
    package init() throws(SystemError) {
        descriptor = Descriptor(
            adopting: try systemCall("eventfd") {
                eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK))
            }
        )
    }

    /// The descriptor to wait on.
    package var number: CInt { descriptor.rawValue }

    /// Makes the descriptor readable.
    ///
    /// Any thread, any number of times.
    package func signal() {
        var one: UInt64 = 1
        _ = transferCall { unsafe write(number, &one, 8) }
    }

    /// Makes the descriptor unreadable again.
    ///
    /// By the waiting thread, before it looks for work.
    package func clear() {
        var count: UInt64 = 0
        _ = transferCall { unsafe read(number, &count, 8) }
    }

    /// Waits until the descriptor is readable, or for a time.
    ///
    /// The corresponding C function is `poll`.
    package func wait(atMost limit: Duration) {
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, limit.millisecondsRoundedUp)
    }
}
