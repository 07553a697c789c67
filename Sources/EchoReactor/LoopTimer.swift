package import EchoSockets

/// Runs a handler on a loop's thread after a time.
///
/// Stops when it is released. Confined to its loop's thread; not Sendable. Accurate to a kernel
/// tick (1 to 10 ms). The corresponding Win32 function is `SetTimer`.
@safe
package final class LoopTimer {
    private let loop: EventLoop
    private var watch: Watch?
    private let handler: () -> Void

    /// Prepares a timer that is not running.
    ///
    /// - Parameters:
    ///   - loop: the loop whose thread this is.
    ///   - handler: what to run. A strong reference to the timer in it would keep it for ever.
    /// - Throws: that memory has run out.
    package init(on loop: EventLoop, _ handler: @escaping () -> Void) throws(SystemError) {
        self.loop = loop
        self.handler = handler
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        watch = unsafe try Watch(
            loop.base,
            descriptor: -1,
            [],
            persistent: false,
            context: context,
            callback: timerFired
        )
    }

    deinit {
        // Before the loop's base (PF-9).
        watch = nil
    }

    /// Runs the handler once, after a delay.
    ///
    /// Replaces what was scheduled before.
    package func schedule(after delay: Duration) throws(SystemError) {
        try watch?.add(timeout: delay)
    }

    /// Stops it; it can be scheduled again.
    ///
    /// The corresponding Win32 function is `KillTimer`.
    package func cancel() {
        watch?.remove()
    }

    /// Whether the handler is scheduled.
    package var isScheduled: Bool { watch?.isPending ?? false }

    fileprivate func fire() {
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
