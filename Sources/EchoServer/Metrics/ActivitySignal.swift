import EchoSockets
import Synchronization

/// Lets one thread sleep until something is counted again.
///
/// Nobody sleeps most of the time, and then telling costs a load.
final class ActivitySignal: Sendable {
    private let isAwaited = Atomic<Bool>(false)
    private let wakeup: Wakeup

    init() throws(SystemError) {
        wakeup = try Wakeup()
    }

    /// Something has been counted.
    ///
    /// Any thread.
    @inline(__always)
    func tell() {
        if isAwaited.load(ordering: .relaxed) { wake() }
    }

    /// Ends the sleep, or the next one.
    ///
    /// Any thread.
    func wake() {
        isAwaited.store(false, ordering: .relaxed)
        wakeup.signal()
    }

    /// Asks to be woken by what is counted from now on.
    ///
    /// What another processor counted a moment before may not show yet, and does not wake: look
    /// again some time later.
    func expect() {
        isAwaited.store(true, ordering: .sequentiallyConsistent)
    }

    /// Sleeps until it is woken, or for a time; `nil` for as long as it takes.
    func sleep(atMost limit: Duration?) {
        wakeup.wait(atMost: limit ?? .seconds(1 << 20))
        wakeup.clear()
    }
}
