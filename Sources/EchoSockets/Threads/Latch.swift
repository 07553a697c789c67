/// Blocks threads until it is opened, once and for all: threads that wait then, or later, continue.
///
/// Needs no descriptor.
package final class Latch: Sendable {
    private let gate = Gate()

    /// A closed latch.
    package init() {}

    /// Lets all threads go on.
    package func open() {
        gate.open()
    }

    /// Waits until it is opened.
    package func wait() {
        gate.wait()
        // Each that goes on lets the next one through.
        gate.open()
    }

    /// Waits until it is opened, or until a moment.
    ///
    /// - Returns: whether it was opened.
    @discardableResult
    package func wait(until moment: MonotonicTime) -> Bool {
        guard gate.wait(until: moment) else { return false }
        gate.open()
        return true
    }
}
