import EchoSockets
import Synchronization

/// Puts one thread to sleep until something is counted again.
///
/// Most of the time no thread sleeps, and then a signal costs one load.
final class ActivitySignal: Sendable {
    private let isAwaited = Atomic<Bool>(false)
    private let gate = Gate()

    /// Something has been counted.
    ///
    /// Any thread.
    @inline(__always)
    func tell() {
        if isAwaited.load(ordering: .relaxed) { told() }
    }

    // Of several simultaneous signals, only the first wakes it.
    private func told() {
        if isAwaited.exchange(false, ordering: .relaxed) { gate.open() }
    }

    /// Ends the sleep, or the next one.
    ///
    /// Any thread.
    func wake() {
        isAwaited.store(false, ordering: .relaxed)
        gate.open()
    }

    /// Asks to be woken by what is counted from now on.
    ///
    /// What another processor counted a moment before may not be visible yet, and does not wake:
    /// check again later.
    func expect() {
        isAwaited.store(true, ordering: .sequentiallyConsistent)
    }

    /// Sleeps until it is woken, or for a time; `nil` means without a limit.
    func sleep(atMost limit: Duration?) {
        guard let limit else { return gate.wait() }
        gate.wait(until: .now + limit)
    }
}
