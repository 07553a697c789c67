/// Runs a handler on a loop's thread after a time, once or repeatedly.
///
/// Stops when it is released. Confined to its loop's thread; not Sendable. Accurate to a kernel
/// tick (1 to 10 ms). The corresponding Win32 function is `SetTimer`.
package final class LoopTimer {
    private var watch: Watch?
    private let handler: () -> Void
    private var repeats = false

    /// Prepares a timer that is not running.
    ///
    /// - Parameters:
    ///   - loop: the loop whose thread this is.
    ///   - handler: what to run. A strong reference to the timer in it would keep it for ever.
    /// - Throws: `system` when memory has run out.
    package init(on loop: EventLoop, _ handler: @escaping () -> Void) throws(ReactorError) {
        self.handler = handler
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        watch = unsafe try Watch(
            loop,
            descriptor: -1,
            [],
            persistent: true,
            context: context,
            callback: timerFired
        )
    }

    /// Runs the handler once, so much later.
    ///
    /// Replaces what was scheduled before.
    package func schedule(after delay: Duration) throws(ReactorError) {
        repeats = false
        try watch?.add(timeout: delay)
    }

    /// Runs the handler every so often, for the first time one interval from now.
    ///
    /// Replaces what was scheduled before.
    package func schedule(every interval: Duration) throws(ReactorError) {
        repeats = true
        try watch?.add(timeout: interval)
    }

    /// Stops it; it can be scheduled again.
    ///
    /// The corresponding Win32 function is `KillTimer`.
    package func cancel() {
        watch?.remove()
    }

    /// Whether it is going to run the handler.
    package var isScheduled: Bool { watch?.isPending ?? false }

    fileprivate func fire() {
        if !repeats { watch?.remove() }
        handler()
    }
}

@available(*, unavailable)
extension LoopTimer: Sendable {}

private func timerFired(_: CInt, _: Int16, _ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    // A strong reference: the handler may release the timer's last one.
    let timer = unsafe Unmanaged<LoopTimer>.fromOpaque(context).takeUnretainedValue()
    timer.fire()
}
